import { describe, expect, it } from 'vitest';
import { envelopeOf, lastUpdatedOf, withoutEnvelope } from '../../../src/record/envelope.ts';
import type { JsonObject } from '../../../src/record/json.ts';

const AT = '2026-03-10T09:00:00Z';

describe('what a record says about itself is no attribute', () => {
  it.each<[string, JsonObject, JsonObject, JsonObject]>([
    ['nothing to take out', { a: 1 }, { a: 1 }, {}],
    ['an id', { _id: 'r-1', a: 1 }, { a: 1 }, { _id: 'r-1' }],
    ['identities', { identityMap: { email: [{ id: 'a' }] }, a: 1 }, { a: 1 }, { identityMap: { email: [{ id: 'a' }] } }],
    [
      'when it was updated, and nothing else of the audit',
      { extSourceSystemAudit: { lastUpdatedDate: AT }, a: 1 },
      { a: 1 },
      { extSourceSystemAudit: { lastUpdatedDate: AT } },
    ],
    [
      'when it was updated, beside what else the audit says',
      { extSourceSystemAudit: { createdDate: 'x', lastUpdatedDate: AT }, a: 1 },
      { extSourceSystemAudit: { createdDate: 'x' }, a: 1 },
      { extSourceSystemAudit: { lastUpdatedDate: AT } },
    ],
    ['an audit without it', { extSourceSystemAudit: { createdDate: 'x' } }, { extSourceSystemAudit: { createdDate: 'x' } }, {}],
    ['an empty audit', { extSourceSystemAudit: {} }, { extSourceSystemAudit: {} }, {}],
    ['an audit that is none', { extSourceSystemAudit: [AT] }, { extSourceSystemAudit: [AT] }, {}],
    ['an audit that is removed', { extSourceSystemAudit: null }, { extSourceSystemAudit: null }, {}],
    ['fields further down', { a: { _id: 1, identityMap: 2 } }, { a: { _id: 1, identityMap: 2 } }, {}],
  ])('%s', (_, body, record, envelope) => {
    const before = JSON.stringify(body);
    expect(withoutEnvelope(body)).toEqual(record);
    expect(envelopeOf(body)).toEqual(envelope);
    expect(JSON.stringify(body)).toBe(before);
  });

  it('with fields that have the names of what every object has', () => {
    const body = JSON.parse('{"_id":"r","constructor":1,"toString":{"valueOf":2},"hasOwnProperty":null}') as JsonObject;
    expect(JSON.stringify(withoutEnvelope(body))).toBe('{"constructor":1,"toString":{"valueOf":2},"hasOwnProperty":null}');
    expect(envelopeOf(body)).toEqual({ _id: 'r' });
    expect(envelopeOf({})).toEqual({});
  });
});

it('when it was last updated, in its own words', () => {
  expect(lastUpdatedOf({ extSourceSystemAudit: { lastUpdatedDate: AT } })).toBe(AT);
  expect(lastUpdatedOf({ extSourceSystemAudit: { lastUpdatedDate: null } })).toBeNull();
  for (const body of [{}, { extSourceSystemAudit: {} }, { extSourceSystemAudit: AT }, { extSourceSystemAudit: null }])
    expect(lastUpdatedOf(body)).toBeUndefined();
});
