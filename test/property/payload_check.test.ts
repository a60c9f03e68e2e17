// A schema made ready for payloads demands what the schema as it stands demands: against the validator on its own.
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { payloadCheck } from '../../src/definitions/payload_check.ts';
import type { JsonSchema } from '../../src/definitions/schema_keywords.ts';
import { schemaMistakes } from '../../src/definitions/schema_rules.ts';

const KEYS = ['a', 'b', 'c/d', 'constructor'];
const key = fc.constantFrom(...KEYS);
const json = fc.letrec<{ value: unknown; object: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>(0, 1, 2.5, 'a', 'aab', '', true, null),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
}));

const ref = fc.constantFrom('#', '#/$defs/x', '#/$defs/y~1z', '#there');
const schema = fc.letrec<{ schema: JsonSchema | boolean }>((tie) => {
  const map = fc.dictionary(key, tie('schema'), { maxKeys: 2 });
  const list = fc.array(tie('schema'), { minLength: 1, maxLength: 2 });
  const rule = fc.oneof(
    fc.record({ type: fc.constantFrom('object', 'string', 'number', 'array', ['string', 'null']) }),
    fc.record({ properties: map }),
    fc.record({ patternProperties: fc.dictionary(fc.constantFrom('^a', 'c$'), tie('schema'), { maxKeys: 1 }) }),
    fc.record({ additionalProperties: tie('schema') }),
    fc.record({ propertyNames: fc.constantFrom<JsonSchema>({ maxLength: 1 }, { enum: ['a', 'b'] }) }),
    fc.record({ required: fc.uniqueArray(key, { maxLength: 2 }) }),
    fc.record({ dependentRequired: fc.constant({ a: ['b'] }) }),
    fc.record({ dependentSchemas: map }),
    fc.record({ items: tie('schema') }),
    fc.record({ prefixItems: list }),
    fc.record({ contains: tie('schema') }),
    fc.record({ uniqueItems: fc.boolean() }),
    fc.record({ enum: fc.array(json.value, { minLength: 1, maxLength: 3 }) }),
    fc.record({ const: json.value }),
    fc.record({ minimum: fc.constantFrom(1, 2) }),
    fc.record({ pattern: fc.constantFrom('^a+$', 'b') }),
    fc.record({ allOf: list }),
    fc.record({ anyOf: list }),
    fc.record({ oneOf: list }),
    fc.record({ not: tie('schema') }),
    fc.record({ if: tie('schema'), then: tie('schema') }),
    fc.record({ $ref: ref }),
  );
  return {
    schema: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<boolean | JsonSchema>(true, false, { type: 'string' }, {}),
      fc.array(rule, { minLength: 1, maxLength: 3 }).map((rules) => Object.assign({}, ...rules) as JsonSchema),
    ),
  };
}).schema;
const whole = fc.tuple(schema, schema, schema).map(([top, x, y]): JsonSchema => ({
  ...(typeof top === 'boolean' ? {} : top),
  $defs: { x, 'y/z': y, w: { $anchor: 'there', type: 'number' } },
}));

it('says good exactly where the validator does, and names what is wrong where it does not', () => {
  const counts = { good: 0, bad: 0 };
  fc.assert(
    fc.property(
      whole,
      fc.array(json.object as fc.Arbitrary<Record<string, unknown>>, { minLength: 5, maxLength: 5 }),
      (given, payloads) => {
        if (schemaMistakes(given).length > 0) return;
        const compiled = payloadCheck(given);
        if ('wrong' in compiled) throw new Error(compiled.wrong);
        const ajv = new Ajv2020({
          allErrors: true,
          strict: false,
          meta: false,
          validateSchema: false,
          logger: false,
          ownProperties: true,
        });
        // its bookkeeping for unevaluatedProperties throws (unevaluated.ts); those are checked by examples
        ajv.opts.unevaluated = false;
        const validate = ajv.compile(given);
        for (const payload of payloads) {
          const before = JSON.stringify(payload);
          const found = compiled.check === null ? null : compiled.check(payload);
          expect(found === null, `${JSON.stringify(given)} ${before}`).toBe(validate(payload));
          expect(JSON.stringify(payload)).toBe(before);
          counts[found === null ? 'good' : 'bad']++;
          if (found !== null) expect(found.length).toBeGreaterThan(0);
        }
      },
    ),
    { numRuns: 400, seed: 11 },
  );
  expect(counts.good).toBeGreaterThan(200);
  expect(counts.bad).toBeGreaterThan(200);
});
