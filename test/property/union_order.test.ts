// The union of schemas is a function of what the files say, not of how they are cut or ordered.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compilePlan } from '../../src/definitions/compile_plan.ts';
import { recordShape, unionShape } from '../../src/definitions/event_shape.ts';
import { checkDefinitions } from '../../src/definitions/check_definitions.ts';
import { documentOf } from '../../src/definitions/definitions_document.ts';
import { readLocated } from '../../src/definitions/located_yaml.ts';
import type { JsonSchema } from '../../src/definitions/schema_keywords.ts';
import { typeConflicts } from '../../src/definitions/type_conflicts.ts';
import { unionSchema } from '../../src/definitions/union_schema.ts';

const leaf = fc.constantFrom<JsonSchema>(
  { type: 'string' },
  { type: 'number' },
  { type: 'integer' },
  { type: 'boolean' },
  {},
  { type: ['string', 'null'] },
  { type: 'array', items: { type: 'string' } },
  { type: 'array', items: { type: 'number' } },
  { anyOf: [{ type: 'string' }, { type: 'number' }] },
);
const object = fc.letrec<{ object: JsonSchema }>((tie) => ({
  object: fc
    .tuple(
      fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd.e'), fc.oneof({ depthSize: 'small' }, leaf, tie('object')), { maxKeys: 3 }),
      fc.constantFrom({}, {}, { additionalProperties: false }, { additionalProperties: true }),
    )
    .map(([properties, more]) => ({ type: 'object', properties, ...more })),
})).object;

const NAMES = ['s', 't', 'u', 'v'];
const schemas = fc.uniqueArray(fc.record({ name: fc.constantFrom(...NAMES), schema: object }), {
  selector: ({ name }) => name,
  minLength: 1,
  maxLength: 4,
});
const shuffledTwice = schemas.chain((given) =>
  fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length, maxLength: given.length })),
);
const asMap = (given: readonly { name: string; schema: JsonSchema }[]): ReadonlyMap<string, JsonSchema> =>
  new Map(given.map(({ name, schema }) => [name, schema]));
/** Maps compare by entries, in any order. */
const plain = (value: unknown): unknown =>
  value instanceof Map
    ? Object.fromEntries([...(value as Map<string, unknown>)].map(([key, inner]) => [key, plain(inner)]))
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
      : value;

it('types do not depend on the order of schemas, nor does a conflict', () => {
  fc.assert(
    fc.property(shuffledTwice, ([one, other]) => {
      expect(plain(unionShape(asMap(other)).shape)).toEqual(plain(unionShape(asMap(one)).shape));
      expect(plain(recordShape(asMap(other)))).toEqual(plain(recordShape(asMap(one))));
      expect(typeConflicts(asMap(other))).toEqual(typeConflicts(asMap(one)));
    }),
    { numRuns: 500, seed: 5 },
  );
});

it('two schemas conflict in the same places, whatever a third says', () => {
  const between = (given: ReadonlyMap<string, JsonSchema>, names: readonly string[]): unknown[] =>
    typeConflicts(given).filter(({ schema, other }) => names.includes(schema) && names.includes(other));
  fc.assert(
    fc.property(object, object, object, (a, b, third) => {
      const alone = typeConflicts(
        new Map([
          ['s', a],
          ['t', b],
        ]),
      );
      expect(
        between(
          new Map([
            ['s', a],
            ['t', b],
            ['z', third],
          ]),
          ['s', 't'],
        ),
      ).toEqual(alone);
      // the first by name is the one that the others are held against
      if (alone.length > 0)
        expect(
          typeConflicts(
            new Map([
              ['a', third],
              ['s', a],
              ['t', b],
            ]),
          ).length,
        ).toBeGreaterThan(0);
    }),
    { numRuns: 500, seed: 6 },
  );
});

it('the union schema does not depend on the order of files and entries, nor on how they are cut', () => {
  let good = 0;
  fc.assert(
    fc.property(
      shuffledTwice,
      fc.array(fc.constantFrom('event', 'record'), { minLength: 4, maxLength: 4 }),
      fc.nat(3),
      ([one, other], behaviors, cut) => {
        const behaviorOf = (name: string): string => behaviors[NAMES.indexOf(name)]!;
        const files = (given: readonly { name: string; schema: JsonSchema }[], at: number): string[] =>
          [given.slice(0, at), given.slice(at)].map((part, i) =>
            JSON.stringify({
              version: 1,
              ...(i === 0 ? { namespaces: { n: { type: 'person', priority: 1 } } } : {}),
              schemas: Object.fromEntries(
                part.map(({ name, schema }) => [name, { class: 'individual', behavior: behaviorOf(name), jsonSchema: schema }]),
              ),
              datasets: Object.fromEntries(
                part.flatMap(({ name }) => [
                  [`d${name}`, { schema: name, profile: true }],
                  [`x${name}`, { schema: name, profile: name !== 's' }],
                ]),
              ),
            }),
          );
        const [a, b] = [files(one, 0), files(other, cut).reverse()].map((texts) =>
          checkDefinitions(texts.map((text, i) => readLocated(`${i}.json`, text))),
        );
        expect(b!.mistakes).toHaveLength(a!.mistakes.length);
        if (a!.mistakes.length > 0) return;
        good++;
        const [left, right] = [documentOf(a!.data), documentOf(b!.data)];
        expect(right.hash).toBe(left.hash);
        expect(unionSchema(right, 'individual')).toEqual(unionSchema(left, 'individual'));
        expect(compilePlan(right).datasets).toEqual(compilePlan(left).datasets);
      },
    ),
    { numRuns: 100, seed: 8 },
  );
  expect(good).toBeGreaterThan(20);
});
