// What a JSON Schema in definitions must not be: each mistake at its place in the file, all of them at once.
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDefinitionsDocument } from '../../../src/definitions/load_definitions.ts';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { definitionsWarnings } from '../../../src/definitions/definitions_warnings.ts';
import { payloadCheck } from '../../../src/definitions/payload_check.ts';
import { KEYWORDS, type JsonSchema } from '../../../src/definitions/schema_keywords.ts';
import { schemaMistakes } from '../../../src/definitions/schema_rules.ts';
import { load, mistakesOf } from './definitions_files.ts';

/** The schema's lines start at line 7, column 7. */
const file = (...lines: readonly string[]): string => `version: 1
namespaces: { customerId: { type: person, priority: 1 } }
schemas:
  purchase:
    class: individual
    behavior: event
    jsonSchema:
${lines.map((line) => `      ${line}\n`).join('')}datasets: { orders: { schema: purchase, profile: true } }
`;
const mistakes = (...lines: readonly string[]): string[] => mistakesOf(() => load(file(...lines)));

describe('a mistake in a schema', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['an unknown keyword', ['propertys: {}'], [`8:7 unknown keyword 'propertys' in a JSON schema (did you mean 'properties'?)`]],
    [
      'one inside',
      ['properties:', '  a: { anyOf: [{ maxlength: 3 }] }'],
      [`9:24 unknown keyword 'maxlength' in a JSON schema (did you mean 'maxLength'?)`],
    ],
    [
      'an older keyword',
      ['dependencies: {}'],
      [`8:7 'dependencies' is not supported in a JSON schema here: write dependentRequired or dependentSchemas`],
    ],
    [
      'a dynamic reference',
      ['$dynamicRef: "#x"'],
      [`8:7 '$dynamicRef' is not supported in a JSON schema here: write $ref and $defs`],
    ],
    [
      'an unknown type',
      ['properties: { a: { type: strin } }'],
      [`8:26 unknown type "strin" (did you mean 'string'?); known: string, number, integer, boolean, object, array, null`],
    ],
    [
      'an unknown format',
      ['properties: { a: { format: e-mail } }'],
      [/^8:26 unknown format 'e-mail' \(did you mean 'email'\?\); known: date-time, /] as never,
    ],
    ['no map of properties', ['properties: [a]'], [`8:7 'properties' must be a map, not a list`]],
    ['no schema', ['properties: { a: 3 }'], [`8:21 a JSON schema must be a map, true or false`]],
    ['a list of items', ['properties: { a: { items: [{}] } }'], [`8:26 a JSON schema must be a map, true or false`]],
    ['no list', ['anyOf: {}'], [`8:7 'anyOf' must be a list of JSON schemas that is not empty, not a map`]],
    ['half a count', ['properties: { a: { maxLength: 1.5 } }'], [`8:26 'maxLength' must be a whole number from 0, not a number`]],
    ['a text for a number', ['properties: { a: { minimum: "1" } }'], [`8:26 'minimum' must be a number, not text`]],
    ['a repeated name', ['required: [a, a]'], [`8:7 'required' must be a list of different texts, not a list`]],
    ['an empty enum', ['properties: { a: { enum: [] } }'], [`8:26 'enum' must be a list that is not empty, not a list`]],
    [
      'a pattern that looks ahead',
      ['properties: { a: { pattern: "^(?=x)" } }'],
      [/^8:26 patterns run on a linear-time engine \(RE2\), which does not take this one: .*\(\?=/] as never,
    ],
    ['a name with one', ['patternProperties:', `  '(a)\\1': {}`], [/^9:9 patterns run on a linear-time engine/] as never],
    ['a huge pattern', ['properties: { a: { pattern: "a{600}b{600}" } }'], [/^8:26 the pattern is too large/] as never],
    [
      'a reference elsewhere',
      ['properties: { a: { $ref: "https://example.com/s" } }'],
      [`8:26 '$ref' stays inside of its schema (#/$defs/…); 'https://example.com/s' does not`],
    ],
    [
      'a reference to nothing',
      ['properties: { a: { $ref: "#/$defs/b" } }', '$defs: { a: {} }'],
      [`8:26 '$ref': nothing stands at '#/$defs/b'`],
    ],
    [
      'a loop',
      ['$ref: "#/$defs/a"', '$defs: { a: { anyOf: [{ $ref: "#/$defs/a" }] } }'],
      [/^\d+:\d+ '\$ref' leads back to itself without going deeper/] as never,
    ],
    [
      'branches of branches',
      [
        'properties: { a: { anyOf: [{ $ref: "#/$defs/n" }, {}] } }',
        '$defs: { n: { anyOf: [{ properties: { x: { $ref: "#/$defs/n" } } }, { properties: { x: { $ref: "#/$defs/n" } } }] } }',
      ],
      [/^7:5 one value of a payload would be looked at more than 500 times/] as never,
    ],
    ['a then without if', ['then: {}'], [`8:7 'then' does nothing without 'if'`]],
    [
      'another draft',
      ['$schema: http://json-schema.org/draft-07/schema#'],
      [`8:7 '$schema' must be https://json-schema.org/draft/2020-12/schema`],
    ],
    ['an $id inside', ['properties: { a: { $id: x } }'], [`8:26 '$id' stands at the top of a schema only`]],
    ['no object', ['type: array'], [`8:7 a payload is an object; this schema says 'list'`]],
  ])('%s', (_name, lines, expected) => {
    const found = mistakes(...lines);
    expect(found).toHaveLength(expected.length);
    found.forEach((line, i) => expect(line).toEqual(expect.stringMatching(asPattern(expected[i]!))));
  });

  it('comes with all the others', () => {
    expect(
      mistakes(
        'type: objekt',
        'propertys: {}',
        'properties: { a: { format: mail, pattern: "(", type: strin } }',
        'required: a',
      ).map((line) => line.split(' ')[0]),
    ).toEqual(['8:7', '9:7', '10:26', '10:40', '10:54', '11:7']);
  });

  it('keeps no other quiet: what expressions read is still checked', () => {
    const found = mistakesOf(() =>
      load(`${file('properties: { a: { type: number, minLength: x } }')}computedAttributes:
  s: { class: individual, function: sum, value: event.b, window: lifetime }
`),
    );
    expect(found).toEqual([expect.stringMatching(/^8:/), expect.stringMatching(/^11:.*no schema declares 'event.b'/)]);
  });
});

function asPattern(expected: string | RegExp): RegExp {
  return typeof expected === 'string' ? new RegExp(`^${expected.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`) : expected;
}

it.each([
  ['annotations of others', ['x-owner: me', '"meta:xdmType": object', 'properties: { a: { deprecated: true, examples: [1] } }']],
  ['the draft and an id', ['$schema: https://json-schema.org/draft/2020-12/schema', '$id: https://example.com/purchase']],
  [
    'a tree',
    [
      'properties: { node: { $ref: "#/$defs/node" } }',
      '$defs: { node: { properties: { left: { $ref: "#/$defs/node" }, right: { $ref: "#/$defs/node" } } } }',
    ],
  ],
  [
    'a list or one of it',
    [
      '$defs: { n: { anyOf: [{ type: string }, { type: array, items: { $ref: "#/$defs/n" } }] } }',
      'properties: { a: { $ref: "#/$defs/n" } }',
    ],
  ],
  ['an anchor', ['properties: { a: { $ref: "#b" } }', '$defs: { b: { $anchor: b, type: string } }']],
])('%s is no mistake', (_name, lines) => expect(mistakes(...lines)).toEqual([]));

/** Values of the right and the wrong kind for every keyword. */
const anyValue = fc.oneof(
  fc.constantFrom<unknown>(true, false, 0, 1, -1, 1.5, 'string', 'number', 'x', '#', '#/properties/a', null),
  fc.constantFrom<unknown>(
    [],
    ['a'],
    ['a', 'a'],
    [{}],
    [true],
    {},
    { a: {} },
    { a: ['b'] },
    { a: { type: 'string' } },
    { type: 'string' },
    [1, 2],
  ),
);
const right: Readonly<Record<string, readonly unknown[]>> = {
  schema: [true, false, {}, { type: 'string' }, { minimum: 3 }],
  schemas: [[{}], [true, { type: 'string' }], [{ $ref: '#/$defs/a' }]],
  schemaMap: [{}, { a: {} }, { a: { type: 'string' }, b: true }],
  count: [0, 1, 7],
  number: [0, -1.5],
  positive: [0.01, 3],
  boolean: [true, false],
  string: ['#', 'x', 'date', '^a+$'],
  strings: [[], ['a', 'b']],
  stringsMap: [{}, { a: ['b'] }],
  list: [[1, 'a', { x: [1] }], [null]],
  type: ['string', ['string', 'null'], 'object'],
  any: [1, null, { a: 1 }],
};
const member = fc
  .constantFrom(...[...KEYWORDS].filter(([name]) => !['$schema', '$id', '$anchor'].includes(name)))
  .chain(([name, form]) =>
    fc.tuple(
      fc.constant(name),
      fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...right[form]!) }, { weight: 1, arbitrary: anyValue }),
    ),
  );
const schema: fc.Arbitrary<JsonSchema> = fc.letrec<{ schema: JsonSchema }>((tie) => ({
  schema: fc
    .tuple(fc.array(member, { maxLength: 4 }), fc.option(tie('schema'), { nil: undefined, depthSize: 'small' }))
    .map(([own, inner]) => ({
      ...(Object.fromEntries(own) as JsonSchema),
      ...(inner === undefined ? {} : { properties: { a: inner } }),
    })),
})).schema;

it('what passes is a schema by the meta schema, and compiles', () => {
  const meta = new Ajv2020({ strict: false, logger: false, validateFormats: false });
  let passed = 0;
  fc.assert(
    fc.property(schema, (each) => {
      if (schemaMistakes(each).length > 0) return;
      passed++;
      expect(meta.validateSchema(each), JSON.stringify(meta.errors)).toBe(true);
      expect(payloadCheck(each)).toHaveProperty('check');
    }),
    { numRuns: 1000, seed: 7 },
  );
  expect(passed).toBeGreaterThan(100);
});

describe('a schema that an earlier release took', () => {
  // as `setup` of that release wrote it
  const good = load(file('properties: { a: { type: number } }')).canonical;
  const stored = good.replace('"type":"number"', '"type":"number","maximun":3');

  it('is read as it was, and checks nothing', () => {
    const document = parseDefinitionsDocument(stored);
    expect(document.canonical).toBe(stored);
    expect(compilePlan(document).admission.datasets.get('orders')!.check).toBeNull();
    expect(compilePlan(parseDefinitionsDocument(good)).admission.datasets.get('orders')!.check).not.toBeNull();
  });

  it('is warned of', () => {
    expect(definitionsWarnings(parseDefinitionsDocument(good))).toEqual([]);
    expect(definitionsWarnings(parseDefinitionsDocument(stored))).toEqual([
      `payloads of schema purchase are not checked: an earlier release took its JSON schema, this one cannot (/properties/a/maximun: unknown keyword 'maximun' in a JSON schema (did you mean 'maximum'?))`,
    ]);
  });
});
