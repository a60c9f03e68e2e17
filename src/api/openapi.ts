// GET /openapi.json: the HTTP port in OpenAPI 3.1, put together from the routes as they are registered.
// How a route becomes part of it: by being registered on the HTTP port, nothing more. What is read of it:
//   `schema.params`, `.querystring`, `.headers`, `.body`  what validates its requests, as JSON Schema; `body` may be `{ content: { type: … } }`
//   `schema.response`   by status: a JSON Schema of the answer, or `{ description, content: { type: { schema, example } } }`; see answersOf
//   `schema.summary`, `.description`, `.tags`, `.operationId`   for people
//   `config.scope`, `bodyLimit`   who may use it (route_scope.ts), how much it takes
// OA1: what validates is what is documented: there is no second description of a request. OA2: problems that every page can answer with
//      (a path or body that cannot be read, a missing scope, a defect) need not be said by a route.
import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify';
import { answersOf, problemsOf, type DocumentedAnswer } from './route_schema.ts';
import { refTo, SCHEMAS } from './answer_schemas.ts';
import { BODY_BYTES_MAX } from './application.ts';
import { bodyTypesOf, JSON_TYPE } from './bodies.ts';
import { PROBLEM_TYPE, titleOf } from './problem.ts';

type Routes = readonly RouteOptions[];
type Properties = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
type Parameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: object;
};

const ABOUT = [
  'Profiles, why they are what they are, and what is behind them; docs/read.md and docs/api.md say more.',
  'An address of the worker itself asks for no token; see docs/security.md.',
].join('\n');
const REQUEST_ID_HEADER = { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } };

/** @param routes every one of the port: those that come later too */
export function openApiRoutes(app: FastifyInstance, about: { readonly routes: Routes; readonly version: string }): void {
  let text: string | undefined;
  app.get(
    '/openapi.json',
    {
      config: { scope: 'open' },
      schema: {
        tags: ['worker'],
        summary: 'This document',
        response: answersOf('the document', { type: 'object', required: ['openapi', 'info', 'paths'] }, []),
      },
    },
    (_, reply) => reply.type(JSON_TYPE).send((text ??= JSON.stringify(openApi(about)))),
  );
}

/** Cost: O(routes); asked for once. */
function openApi({ routes, version }: { readonly routes: Routes; readonly version: string }): object {
  const paths: Record<string, Record<string, object>> = {};
  const inOrder = [...routes].sort((a, b) => (a.url < b.url ? -1 : 1));
  for (const route of inOrder)
    for (const method of [route.method].flat())
      (paths[pathOf(route.url)] ??= {})[method.toLowerCase()] = operation(route, method);
  return {
    openapi: '3.1.0',
    info: { title: 'Visage', version, description: ABOUT, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: SCHEMAS,
      headers: {
        RequestId: {
          description: 'the X-Request-Id of the request where it is a short token, else one that was made for it',
          schema: { type: 'string' },
        },
      },
      securitySchemes: {
        bearerAuth: { type: 'http', scheme: 'bearer', description: 'a token of http.tokensFile; each has its scopes' },
      },
    },
  };
}

/** `/profiles/:namespace/:id` → `/profiles/{namespace}/{id}` */
function pathOf(url: string): string {
  return url.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{path}');
}

function operation({ url, schema = {}, config, bodyLimit = BODY_BYTES_MAX }: RouteOptions, method: string): object {
  const { summary, description, tags } = schema;
  const { scope = 'admin' } = config ?? {};
  const types = bodyTypesOf(schema);
  const parameters = parametersOf(url, schema);
  return {
    operationId: schema.operationId ?? operationIdOf(method, url),
    ...(summary === undefined ? {} : { summary }),
    ...(description === undefined ? {} : { description }),
    ...(tags === undefined ? {} : { tags }),
    security: scope === 'open' ? [] : [{ bearerAuth: [scope] }],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(types.length === 0 ? {} : { requestBody: bodyOf(schema, types), 'x-body-bytes-max': bodyLimit }),
    responses: responsesOf(schema, { scope, method, hasBody: types.length > 0, hasParameters: parameters.length > 0 }),
  };
}

/** `getProfilesByNamespaceById` */
function operationIdOf(method: string, url: string): string {
  const words = pathOf(url).match(/\{?\w+/g) ?? ['root'];
  const upper = (word: string): string => word[0]!.toUpperCase() + word.slice(1);
  return method.toLowerCase() + words.map((word) => (word.startsWith('{') ? `By${upper(word.slice(1))}` : upper(word))).join('');
}

function parametersOf(url: string, { params, querystring, headers }: FastifySchema): Parameter[] {
  const inPath = propertiesOf(params);
  const names = [...pathOf(url).matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
  return [
    ...names.map((name) => parameter('path', name, inPath[name] ?? inPath['*'] ?? { type: 'string' }, true)),
    ...ofSchema('query', querystring),
    ...ofSchema('header', headers),
  ];
}

function ofSchema(place: 'query' | 'header', schema: unknown): Parameter[] {
  const { required = [] } = (schema ?? {}) as { readonly required?: readonly string[] };
  return Object.entries(propertiesOf(schema)).map(([name, property]) =>
    parameter(place, name, property, required.includes(name)),
  );
}

function parameter(place: Parameter['in'], name: string, property: object, required: boolean): Parameter {
  const { description, ...schema } = property as { readonly description?: string };
  return { name, in: place, required, ...(description === undefined ? {} : { description }), schema };
}

function propertiesOf(schema: unknown): Properties {
  return ((schema ?? {}) as { readonly properties?: Properties }).properties ?? {};
}

function bodyOf({ body }: FastifySchema, types: readonly string[]): object {
  const { content } = (body ?? {}) as { readonly content?: Readonly<Record<string, object>> };
  return { required: true, content: content ?? Object.fromEntries(types.map((type) => [type, { schema: body ?? {} }])) };
}

type Traits = {
  readonly scope: string;
  readonly method: string;
  readonly hasBody: boolean;
  readonly hasParameters: boolean;
};

function responsesOf({ response = {} }: FastifySchema, { scope, method, hasBody, hasParameters }: Traits): object {
  const common: Record<string, DocumentedAnswer> = {
    ...problemsOf([
      ...(hasParameters ? ['bad_path'] : []),
      ...(hasBody ? ['bad_json', 'body_too_large', 'bad_body'] : []),
      ...(method === 'GET' || method === 'HEAD' ? [] : ['unsupported_type']),
      'defect',
    ]),
    ...(scope === 'open'
      ? {}
      : { 401: problemSaid('No token, or none that is known'), 403: problemSaid('The token lacks the scope') }),
    default: problemSaid('Any other problem: `code` and `detail` say which'),
  };
  const own = Object.entries(response as Readonly<Record<string, object>>).map(([status, said]) => [
    status,
    documented(status, said),
  ]);
  const all = { ...common, ...(own.length === 0 ? { 200: { description: 'OK' } } : {}), ...Object.fromEntries(own) };
  return Object.fromEntries(
    Object.entries(all as Readonly<Record<string, DocumentedAnswer>>).map(([status, { content, ...answer }]) => [
      status.toLowerCase().replace('xx', 'XX'),
      {
        ...answer,
        headers: { ...REQUEST_ID_HEADER, ...answer.headers },
        ...(content === undefined || method === 'HEAD' ? {} : { content }),
      },
    ]),
  );
}

function problemSaid(description: string): DocumentedAnswer {
  return { description, content: { [PROBLEM_TYPE]: { schema: refTo('Problem') } } };
}

/** A route's own word on an answer, whichever way it puts it. */
function documented(status: string, said: object): DocumentedAnswer {
  const { description, content, headers, ...schema } = said as Partial<DocumentedAnswer>;
  const title = description ?? (Number(status) < 400 ? 'OK' : titleOf(Number(status)));
  if (content !== undefined || Object.keys(schema).length === 0)
    return { description: title, ...(headers && { headers }), ...(content && { content }) };
  const type = Number(status) < 400 ? JSON_TYPE : PROBLEM_TYPE;
  return { description: title, ...(headers && { headers }), content: { [type]: { schema } } };
}
