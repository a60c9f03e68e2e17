import { describe, expect, it } from 'vitest';
import { isBlockedId } from '../../../src/message/identities_in.ts';
import { admissionOf, admitted, refusals, rule, type More } from './admission_fixture.ts';

// priorities: customerId 1, email and crmId 2, deviceId 3
const of = (identityMap: unknown, rest: object = {}): string =>
  JSON.stringify({ _id: 'e', timestamp: '2026-03-10T09:00:00Z', ...rest, identityMap });
const EMAIL: More = { subject: 'orders.email.ada' };
const DEVICE: More = { subject: 'orders.deviceId.d-1' };
const ranksOther = (body: string, more: More): boolean => admitted('event', body, more).ranksOther;

describe('another identity of the payload ranks higher', () => {
  it('when its namespace has a higher priority than the subject’s', () => {
    expect(ranksOther(of({ customerId: [{ id: 'c' }] }), EMAIL)).toBe(true);
    expect(ranksOther(of({ email: [{ id: 'a' }] }), DEVICE)).toBe(true);
    expect(ranksOther(of({ deviceId: [{ id: 'd' }] }), EMAIL)).toBe(false);
    expect(ranksOther(of({ customerId: [{ id: 'c' }] }), { subject: 'orders.customerId.c' })).toBe(false);
    expect(ranksOther(of({}), EMAIL)).toBe(false);
    expect(ranksOther(of(undefined), EMAIL)).toBe(false);
  });

  it('of two namespaces of one priority, neither ranks higher', () => {
    expect(ranksOther(of({ crmId: [{ id: 'x' }] }), EMAIL)).toBe(false);
    expect(ranksOther(of({ email: [{ id: 'x' }] }), { subject: 'orders.crmId.c' })).toBe(false);
  });

  it('not when it is nobody, or of no namespace of ours', () => {
    for (const id of ['', ' ', '\u2003\t', 'null', 'anonymous', 'invalid', 'undefined'])
      expect(ranksOther(of({ customerId: [{ id }] }), EMAIL)).toBe(false);
    for (const namespace of ['nosuch', 'constructor', 'toString', 'CustomerId'])
      expect(ranksOther(of({ [namespace]: [{ id: 'x' }] }), DEVICE)).toBe(false);
  });
});

describe('two that rank highest', () => {
  it('are refused, in the payload or against the subject', () => {
    const two = of({ customerId: [{ id: 'c' }, { id: 'c' }, { id: 'd' }] });
    expect(refusals(two, EMAIL)).toEqual(['ambiguous_identity /identityMap/customerId/2/id']);
    expect(refusals(of({ email: [{ id: 'bob' }] }), EMAIL)).toEqual(['ambiguous_identity /identityMap/email/0/id']);
    expect(refusals(of({ email: [{ id: 'Ada' }] }), EMAIL)).toHaveLength(1); // ids are case-sensitive
    expect(refusals(of({ email: [{ id: 'a.b' }] }), { subject: 'orders.email.a%2Eb' })).toEqual([]);
  });

  it('are fine further down, or where one of them is nobody', () => {
    expect(refusals(of({ email: [{ id: 'a' }, { id: 'b' }] }), { subject: 'orders.customerId.c' })).toEqual([]);
    expect(refusals(of({ customerId: [{ id: 'c' }], email: [{ id: 'a' }, { id: 'b' }] }), DEVICE)).toEqual([]);
    expect(refusals(of({ customerId: [{ id: 'c' }, { id: 'anonymous' }, { id: '' }] }), EMAIL)).toEqual([]);
  });

  it('of one priority are told by name', () => {
    // crmId comes before email: two of crmId are two primaries, two of email are not
    expect(refusals(of({ crmId: [{ id: 'x' }], email: [{ id: 'a' }, { id: 'b' }] }), DEVICE)).toEqual([]);
    expect(refusals(of({ crmId: [{ id: 'x' }, { id: 'y' }], email: [{ id: 'a' }] }), DEVICE)).toEqual([
      'ambiguous_identity /identityMap/crmId/1/id',
    ]);
    expect(refusals(of({ crmId: [{ id: 'x' }, { id: 'y' }] }), EMAIL)).toHaveLength(1);
  });
});

describe('where a schema says that identities are', () => {
  const identities = [
    { path: ['personalEmail', 'address'], namespace: 'email' },
    { path: ['a/b', '~'], namespace: 'customerId' },
    { path: ['toString'], namespace: 'customerId' },
    { path: ['crm', '0'], namespace: 'crmId' },
  ];
  const admission = admissionOf(rule('orders', { identities }), rule('crm', { behavior: 'record', identities }));
  const device = { ...DEVICE, admission };

  it('they count like those of the identityMap', () => {
    expect(ranksOther(of(undefined, { personalEmail: { address: 'a' } }), device)).toBe(true);
    expect(refusals(of({ email: [{ id: 'b' }] }, { personalEmail: { address: 'a' } }), device)).toEqual([
      'ambiguous_identity /personalEmail/address',
    ]);
    expect(refusals(of({ email: [{ id: 'a' }] }, { personalEmail: { address: 'a' } }), device)).toEqual([]);
    expect(refusals(of({ customerId: [{ id: 'c' }] }, { 'a/b': { '~': 'd' } }), device)).toEqual(['ambiguous_identity /a~1b/~0']);
  });

  it('what is not there, is no text, or says nobody is none', () => {
    const rests = [
      {},
      { personalEmail: null },
      { personalEmail: 'a' },
      { personalEmail: { address: 7 } },
      { personalEmail: { address: 'null' } },
      { crm: ['x'] },
    ];
    for (const rest of rests) expect(ranksOther(of(undefined, rest), device)).toBe(false);
  });

  it('records have them too', () => {
    const body = JSON.stringify({ personalEmail: { address: 'a' } });
    expect(admitted('record', body, { subject: 'crm.deviceId.d-1', admission }).ranksOther).toBe(true);
    expect(refusals(body, { subject: 'crm.email.b', admission })).toEqual(['ambiguous_identity /personalEmail/address']);
  });

  it('they did not, before there were records', () => {
    const before = { ...device, foldVersion: 2 };
    expect(ranksOther(of({ customerId: [{ id: 'c' }, { id: 'd' }] }, { personalEmail: { address: 'a' } }), before)).toBe(false);
    expect(ranksOther(of({ customerId: [{ id: '\ud800' }, { id: 'x'.repeat(600) }] }), before)).toBe(false);
  });
});

describe('limits', () => {
  const many = (n: number): unknown => ({ deviceId: Array.from({ length: n }, (_, i) => ({ id: `d-${i}` })) });

  it('as many identities as allowed, not more, wherever they are', () => {
    expect(refusals(of(many(20)))).toEqual([]);
    expect(refusals(of(many(21)))).toEqual(['too_large /identityMap']);
    const admission = admissionOf(rule('orders', { identities: [{ path: ['x'], namespace: 'email' }] }));
    expect(refusals(of(many(19), { x: 'a' }), { admission })).toEqual([]);
    expect(refusals(of(many(20), { x: 'a' }), { admission })).toEqual(['too_large /identityMap']);
  });

  it('ids as long as allowed, not longer, in bytes', () => {
    const idBytes = (id: string) => refusals(of({ email: [{ id }] }), { settings: { idBytes: 8 } });
    for (const id of ['x'.repeat(8), 'é'.repeat(4), '€€é', '😀😀']) expect(idBytes(id)).toEqual([]);
    for (const id of ['x'.repeat(9), 'é'.repeat(4) + 'x', '€€€', '😀😀x'])
      expect(idBytes(id)).toEqual(['too_large /identityMap/email/0/id']);
    expect(refusals(of({ nosuch: [{ id: 'x'.repeat(600) }] }))).toEqual([]);
  });

  it('an id that no subject could name is refused', () => {
    expect(refusals(of({ email: [{ id: 'a\ud800' }] }))).toEqual(['schema /identityMap/email/0/id']);
    expect(refusals(of({ nosuch: [{ id: 'a\ud800' }] }))).toEqual([]);
  });
});

it('places in an identityMap are said as pointers', () => {
  expect(refusals(of({ 'a/b~c': 1, email: [{ id: 'a' }, { id: 1 }, ['x']] }))).toEqual([
    'schema /identityMap/a~1b~0c',
    'schema /identityMap/email/1/id',
    'schema /identityMap/email/2/id',
  ]);
});

it('who is nobody', () => {
  const nobody = ['', ' ', '\t\n', '\u00a0', '\ufeff', '\u2028', 'null', 'anonymous', 'invalid', 'undefined'];
  expect(nobody.filter((id) => !isBlockedId(id))).toEqual([]);
  const somebody = [
    '0',
    'a',
    ' a',
    '\u00a0a',
    '\u200b',
    '\0',
    '\u007f',
    'Null',
    'none',
    'NULL',
    'anonymou',
    'anonymouz',
    'validin',
    'nul',
    'undefined1',
  ];
  expect(somebody.filter(isBlockedId)).toEqual([]);
});
