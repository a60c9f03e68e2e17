// Which fields can exist: what is refused, what is allowed and simply absent, what is suggested.
import { describe, expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { parseDefinitionsDocument } from '../../../src/definitions/load_definitions.ts';
import { fieldMask, knownFields, noSuchField, type KnownFields } from '../../../src/worker/known_fields.ts';

function knownOf(datasets: string): KnownFields {
  const document = parseDefinitionsDocument(`
version: 1
namespaces: { customerId: { type: person, priority: 1 } }
schemas:
  purchase: { class: individual, behavior: event, jsonSchema: { type: object, properties: { priceTotal: { type: number } } } }
  closed:
    class: individual
    behavior: record
    jsonSchema:
      type: object
      additionalProperties: false
      properties:
        person: { type: object, properties: { firstName: { type: string } } }
        address: { type: object, additionalProperties: false, properties: { city: { type: string } } }
  open: { class: individual, behavior: record, jsonSchema: { type: object, properties: { tier: { type: string } } } }
datasets: { orders: { schema: purchase, profile: true }${datasets} }
mergePolicies: { default: { class: individual, attributes: timestampOrdered, stitching: none, default: true } }
computedAttributes:
  spend30d: { class: individual, value: event.priceTotal, function: sum, window: { sliding: 30d } }
`);
  return knownFields(compilePlan(document), document);
}

const refusedOf = (known: KnownFields, ...fields: string[]): VisageError | undefined => {
  try {
    fieldMask(fields, known);
    return undefined;
  } catch (error) {
    if (error instanceof VisageError) return error;
    throw error;
  }
};

const EVENTS_ONLY = knownOf('');
const CLOSED = knownOf(', crm: { schema: closed, profile: true }');
const OPEN = knownOf(', crm: { schema: closed, profile: true }, loyalty: { schema: open, profile: true }');
const APART = knownOf(', crm: { schema: closed, profile: true }, loyalty: { schema: open, profile: false }');

describe('fields that are asked for', () => {
  test.each<[string, KnownFields, string, boolean]>([
    ['a computed attribute', CLOSED, 'spend30d', true],
    ['another one', CLOSED, 'computed.spend3d', false],
    ['another one where records are open', OPEN, 'computed.spend3d', false],
    ['everything', EVENTS_ONLY, 'attributes', true],
    ['a record field where there are no records', EVENTS_ONLY, 'tier', false],
    ['a field of events', CLOSED, 'priceTotal', false],
    ['a named field', CLOSED, 'attributes.person.firstName', true],
    ['a field of an object that is open', CLOSED, 'person.lastName', true],
    ['a field of an object that is closed', CLOSED, 'address.street', false],
    ['a field beside those of a closed schema', CLOSED, 'tier', false],
    ['a field that another schema has', OPEN, 'tier', true],
    ['a field that an open schema may have', OPEN, 'attributes.anything.below', true],
    ['a field of a dataset that is not for profiles', APART, 'tier', false],
    ['no path', OPEN, 'a..b', false],
  ])('%s', (_, known, field, allowed) => {
    const refused = refusedOf(known, 'spend30d', field);
    expect(refused === undefined).toBe(allowed);
    if (refused !== undefined) {
      expect(refused).toMatchObject({ code: 'bad_query', kind: 'usage' });
      expect(refused.message).not.toContain(field);
    }
  });

  test('what is near is named, from definitions only', () => {
    expect(refusedOf(CLOSED, 'spend3d')?.message).toBe(
      "fields: there is no field like one of these (did you mean 'spend30d'?); known: spend30d, attributes, computed, audiences",
    );
    expect(refusedOf(CLOSED, 'attributes.address.citty')?.message).toContain("(did you mean 'address.city'?)");
    expect(noSuchField('computed.spend3d', CLOSED)).toMatchObject({ code: 'no_such_field', kind: 'usage' });
  });

  test('at least one, at most a hundred', () => {
    expect(refusedOf(OPEN)?.code).toBe('bad_query');
    expect(refusedOf(OPEN, ...Array.from({ length: 101 }, (_, n) => `f${n}`))?.code).toBe('bad_query');
    expect(refusedOf(OPEN, ...Array.from({ length: 100 }, (_, n) => `f${n}`))).toBeUndefined();
  });
});

test('which paths are named', () => {
  expect(CLOSED.paths()).toEqual(['person', 'person.firstName', 'address', 'address.city']);
  expect(['person', 'person.firstName', 'person.lastName', 'tier'].map((path) => CLOSED.has(path.split('.')))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});
