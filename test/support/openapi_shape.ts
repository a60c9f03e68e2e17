// What an OpenAPI 3.1 document may look like, as JSON Schema, written from the specification: the parts that Visage uses, closed, so that
// a key that OpenAPI does not have is found. Schemas inside of it are JSON Schema 2020-12, which the tests check each by itself.
const TEXT = { type: 'string', minLength: 1 };
const SCHEMA = { type: ['object', 'boolean'] };
const ref = (name: string): object => ({ $ref: `#/$defs/${name}` });
const mapOf = (value: object, key?: string): object => ({
  type: 'object',
  additionalProperties: value,
  ...(key === undefined ? {} : { propertyNames: { pattern: key } }),
});
const NAME = '^[a-zA-Z0-9._-]+$';

function closed(required: Readonly<Record<string, object>>, optional: Readonly<Record<string, object>> = {}): object {
  return {
    type: 'object',
    required: Object.keys(required),
    properties: { ...required, ...optional },
    patternProperties: { '^x-': true },
    additionalProperties: false,
  };
}

export const OPENAPI_SHAPE = {
  ...closed(
    {
      openapi: { type: 'string', pattern: '^3\\.1\\.\\d+$' },
      info: closed(
        { title: TEXT, version: TEXT },
        { summary: TEXT, description: TEXT, license: closed({ name: TEXT, identifier: TEXT }) },
      ),
      paths: { type: 'object', patternProperties: { '^/': ref('pathItem') }, additionalProperties: false, minProperties: 1 },
    },
    {
      servers: { type: 'array', items: closed({ url: TEXT }, { description: TEXT }) },
      components: closed(
        {},
        {
          schemas: mapOf(SCHEMA, NAME),
          headers: mapOf(ref('header'), NAME),
          securitySchemes: mapOf(ref('securityScheme'), NAME),
        },
      ),
    },
  ),
  $defs: {
    pathItem: closed(
      {},
      Object.fromEntries(['get', 'put', 'post', 'delete', 'options', 'head', 'patch'].map((name) => [name, ref('operation')])),
    ),
    operation: closed(
      { operationId: { type: 'string', pattern: '^[A-Za-z][A-Za-z0-9_]*$' }, responses: ref('responses') },
      {
        tags: { type: 'array', items: TEXT },
        summary: TEXT,
        description: TEXT,
        parameters: { type: 'array', items: ref('parameter') },
        requestBody: closed({ content: ref('content') }, { description: TEXT, required: { type: 'boolean' } }),
        security: { type: 'array', items: mapOf({ type: 'array', items: TEXT }) },
      },
    ),
    responses: {
      type: 'object',
      minProperties: 1,
      propertyNames: { pattern: '^([1-5](\\d\\d|XX)|default)$' },
      additionalProperties: closed({ description: TEXT }, { headers: mapOf(ref('header')), content: ref('content') }),
    },
    parameter: {
      ...closed(
        { name: TEXT, in: { enum: ['path', 'query', 'header', 'cookie'] }, schema: SCHEMA },
        { required: { type: 'boolean' }, description: TEXT, example: {} },
      ),
      if: { properties: { in: { const: 'path' } } },
      then: { properties: { required: { const: true } }, required: ['required'] },
    },
    header: {
      oneOf: [closed({ $ref: TEXT }), closed({ schema: SCHEMA }, { description: TEXT, required: { type: 'boolean' } })],
    },
    content: mapOf(closed({}, { schema: SCHEMA, example: {} }), '^[\\w.+-]+/[\\w.+*-]+$'),
    securityScheme: closed({ type: { const: 'http' }, scheme: { const: 'bearer' } }, { description: TEXT, bearerFormat: TEXT }),
  },
};
