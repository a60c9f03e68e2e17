import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRefusal, type Decoded } from '../../../src/message/decode.ts';
import { partitionOf } from '../../../src/message/identity.ts';
import { REFUSAL_REASONS, type Refusal } from '../../../src/message/refusal.ts';
import { ADMISSION, admissionOf, admitted, decode, NOW, refusals, rule, type More } from './admission_fixture.ts';

const CRM: More = { subject: 'crm.customerId.ada' };
const H = 3_600_000;
const record = (body: string, headers: Record<string, string> = {}) => admitted('record', body, { ...CRM, headers });
const refused = (body: string, headers: Record<string, string> = {}) => refusals(body, { ...CRM, headers });

describe('an admitted record', () => {
  it('keeps what was said', () => {
    const body = '{"_id":"r-1","a":{"b":[1,null]},"identityMap":{"email":[{"id":"a"}]}}';
    expect(decode(body, CRM)).toEqual({
      kind: 'record',
      dataset: ADMISSION.datasets.get('crm'),
      key: 'customerId.ada',
      operation: 'create',
      id: 'r-1',
      lastUpdatedMs: NOW,
      livesPastMs: NOW + 0.5,
      body: JSON.parse(body) as unknown,
      ranksOther: false,
    });
    expect(record('{}')).toMatchObject({ id: null, body: {} });
  });

  it.each(['create', 'merge', 'delete'])('is a %s when its header says so', (operation) => {
    expect(record('{"a":1}', { 'Visage-Operation': operation }).operation).toBe(operation);
  });

  it('has headers in any case, among others', () => {
    const headers = { 'Nats-Msg-Id': 'x', 'vISAGE-oPERATION': 'merge', 'visage-last-updated': '2026-03-10T08:00:00Z' };
    expect(record('{}', headers)).toMatchObject({ operation: 'merge', lastUpdatedMs: NOW - H, livesPastMs: NOW - H });
  });

  it('that deletes needs no body; the others do', () => {
    expect(record('', { 'Visage-Operation': 'delete' })).toMatchObject({ operation: 'delete', id: null, body: {} });
    expect(record('{"_id":"d-1"}', { 'Visage-Operation': 'delete' })).toMatchObject({ id: 'd-1' });
    expect(refused('')).toEqual(['malformed ']);
    expect(refused('', { 'Visage-Operation': 'merge' })).toEqual(['malformed ']);
    expect(refused('[]', { 'Visage-Operation': 'delete' })).toEqual(['malformed ']);
  });

  it('may be as large as a record, not larger', () => {
    const of = (bytes: number): string => `{"a":"${'x'.repeat(bytes - 8)}"}`;
    expect(refused(of(100 * 1024))).toEqual([]);
    expect(refused(of(100 * 1024 + 1))).toEqual(['too_large ']);
    expect(refusals(of(20_000), { ...CRM, settings: { recordBytes: 19_999 } })).toEqual(['too_large ']);
  });
});

describe('when a record was last updated', () => {
  const audit = (text: string): string => `{"extSourceSystemAudit":{"lastUpdatedDate":${text}}}`;

  it('its header says, else its own field, else the log', () => {
    const header = { 'Visage-Last-Updated': '2026-03-10T07:00:00Z' };
    expect(record(audit('"2026-03-10T08:00:00Z"'), header).lastUpdatedMs).toBe(NOW - 2 * H);
    expect(record(audit('"2026-03-10T08:00:00Z"')).lastUpdatedMs).toBe(NOW - H);
    expect(record('{}').lastUpdatedMs).toBe(NOW);
    for (const body of ['{"extSourceSystemAudit":{}}', '{"extSourceSystemAudit":null}', '{"extSourceSystemAudit":[1]}'])
      expect(record(body).lastUpdatedMs).toBe(NOW);
  });

  it('may be a little ahead of the log, not more', () => {
    expect(record('{}', { 'Visage-Last-Updated': '2026-03-10T09:05:00.000Z' }).lastUpdatedMs).toBe(NOW + 300_000);
    expect(refused('{}', { 'Visage-Last-Updated': '2026-03-10T09:05:00.001Z' })).toEqual(['future /headers/Visage-Last-Updated']);
    expect(refused(audit('"2026-03-10T09:05:00.001Z"'))).toEqual(['future /extSourceSystemAudit/lastUpdatedDate']);
  });

  it.each(['""', '"yesterday"', '1773133200000', 'null', '"2026-02-30T00:00:00Z"', '["2026-03-10T08:00:00Z"]'])(
    '%s is no time',
    (text) => {
      expect(refused(audit(text))).toEqual(['bad_timestamp /extSourceSystemAudit/lastUpdatedDate']);
    },
  );

  it('an empty header is no time either', () => {
    expect(refused('{}', { 'Visage-Last-Updated': '' })).toEqual(['bad_timestamp /headers/Visage-Last-Updated']);
  });
});

describe('refused records', () => {
  const MERGE = { 'Visage-Operation': 'merge' };

  it.each<[string, Record<string, string>, string[]]>([
    ['{', {}, ['malformed ']],
    ['null', MERGE, ['malformed ']],
    ['{}', { 'Visage-Operation': 'upsert' }, ['bad_operation /headers/Visage-Operation']],
    ['{}', { 'Visage-Operation': 'Merge' }, ['bad_operation /headers/Visage-Operation']],
    ['{}', { 'Visage-Operation': '' }, ['bad_operation /headers/Visage-Operation']],
    ['{}', { 'Visage-Operation': 'erase' }, ['bad_operation /headers/Visage-Operation']],
    ['{"_id":""}', {}, ['missing_id /_id']],
    ['{"_id":null}', MERGE, ['missing_id /_id']],
    ['{"_id":7}', {}, ['schema /_id']],
    [`{"_id":"${'x'.repeat(513)}"}`, {}, ['too_large /_id']],
    ['{"a":1e999,"__proto__":1}', {}, ['not_finite /a', 'forbidden_key /__proto__']],
    [`{"a":${'['.repeat(16)}${']'.repeat(16)}}`, MERGE, [`too_large /a${'/0'.repeat(15)}`]],
    ['{"identityMap":1}', {}, ['schema /identityMap']],
    [
      '{"_id":0,"a":{"$append":1}}',
      { 'Visage-Operation': 'x' },
      ['bad_operation /headers/Visage-Operation', 'schema /a/$append', 'schema /_id'],
    ],
    // changes of arrays that are none
    ['{"$append":[1]}', MERGE, ['schema ']],
    ['{"$remove":[1],"a":1}', {}, ['schema ']],
    ['{"a":{"$append":1}}', MERGE, ['schema /a/$append']],
    ['{"a":{"$append":[1],"b":2,"$remove":null}}', MERGE, ['schema /a/b', 'schema /a/$remove']],
    ['{"a":{"b/c":{"~":{"$append":{}}}},"d":{"$remove":"x"}}', {}, ['schema /a/b~1c/~0/$append', 'schema /d/$remove']],
  ])('%s %j', (body, headers, expected) => {
    expect(refused(body, headers)).toEqual(expected);
  });

  it('changes of arrays are fine where an array may be, mean nothing inside of one, nor in what is deleted', () => {
    for (const body of [
      '{"a":{"$append":[1],"$remove":[2]}}',
      '{"a":{"b":{"$append":[]}}}',
      '{"a":[{"$append":1,"b":2}]}',
      '{"$appendix":1}',
    ])
      expect(refused(body, MERGE)).toEqual([]);
    expect(refused('{"$append":1}', { 'Visage-Operation': 'delete' })).toEqual([]);
  });

  it('names on the way to a field are not too long together', () => {
    const field = (length: number): string =>
      `{"${'k'.repeat(99)}":{"${'l'.repeat(length - 101)}":1},"b":[{"${'m'.repeat(600)}":1}]}`;
    expect(refused(field(512))).toEqual([]);
    expect(refused(field(513))).toEqual([`too_large /${'k'.repeat(99)}/${'l'.repeat(100)}`]);
    expect(refused(field(513), MERGE)).toHaveLength(1);
  });

  it('headers that cannot be read', () => {
    const headers = (): never => {
      throw new Error('no headers');
    };
    expect(refusals('{}', { ...CRM, headers })).toEqual(['malformed /headers']);
    expect(refusals('{}', { subject: '_profile.customerId.ada', headers })).toEqual(['malformed /headers']);
  });

  it('are not checked against their schema yet: what they result in will be', () => {
    const admission = admissionOf(rule('crm', { behavior: 'record', check: () => expect.unreachable() }));
    expect(refusals('{"a":1}', { ...CRM, admission })).toEqual([]);
  });

  it('never quotes the data', () => {
    const bodies = [
      '{"email":"ada@example.com"',
      '{"ada@example.com":{"$append":"ada@example.com"}}',
      '{"_id":["ada@example.com"]}',
    ];
    for (const body of bodies) {
      const { errors } = decode(body, { ...CRM, headers: { 'Visage-Operation': 'ada@example.com' } }) as Refusal;
      expect(errors.map(({ message }) => message).join()).not.toContain('ada');
    }
  });
});

describe('a message about a whole profile', () => {
  const about = (headers: Record<string, string> | undefined, more: More = {}) =>
    decode('', { subject: '_profile.customerId.ada', ...(headers === undefined ? {} : { headers }), ...more });

  it.each(['delete', 'erase'])('may %s it', (operation) => {
    const expected = { kind: 'profile', key: 'customerId.ada', operation };
    expect(about({ 'Visage-Operation': operation })).toEqual(expected);
    expect(about({ 'visage-operation': operation })).toEqual(expected);
  });

  it('has no other operation, and none by default', () => {
    for (const headers of [
      undefined,
      {},
      { 'Visage-Operation': '' },
      { 'Visage-Operation': 'merge' },
      { 'Visage-Operation': 'Delete' },
    ])
      expect(about(headers)).toMatchObject({ reason: 'bad_operation', errors: [{ pointer: '/headers/Visage-Operation' }] });
  });

  it('is about somebody whom a message can be about', () => {
    const headers = { 'Visage-Operation': 'delete' };
    const other = Array.from({ length: 20 }, (_, i) => `c-${i}`).find((id) => partitionOf(`customerId.${id}`, 4) !== 0)!;
    const reasons = [
      about(headers, { subject: '_profile.nosuch.ada' }),
      about(headers, { subject: '_profile.customerId.anonymous' }),
      about(headers, { subject: `_profile.customerId.${'x'.repeat(513)}` }),
      about(headers, { subject: '_profile.customerId.%41' }),
      about(headers, { subject: `_profile.customerId.${other}`, partitions: 4 }),
      about(headers, { admission: null }),
    ].map((decoded) => (decoded as Refusal).reason);
    expect(reasons).toEqual(['unknown_namespace', 'blocked_id', 'too_large', 'bad_subject', 'wrong_partition', 'no_definitions']);
  });

  it('is none in a log of before there were deletes', () => {
    expect(about({ 'Visage-Operation': 'delete' }, { foldVersion: 2 })).toMatchObject({ reason: 'bad_subject' });
  });
});

it('whatever comes as a record, it is admitted sanely or refused, and nothing throws', () => {
  const sane = (decoded: Decoded | Refusal): boolean => {
    if (isRefusal(decoded)) return decoded.errors.length > 0 && REFUSAL_REASONS.includes(decoded.reason);
    return decoded.kind === 'record' && Number.isSafeInteger(decoded.lastUpdatedMs) && decoded.id !== '';
  };
  const keys = fc.constantFrom(
    '_id',
    'extSourceSystemAudit',
    'lastUpdatedDate',
    'identityMap',
    '$append',
    '$remove',
    '__proto__',
    'email',
    'id',
    'a',
  );
  const value = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom('2026-03-10T08:00:00Z', '\ud800', ''),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(keys, tie('tree'), { noNullPrototype: true }),
    ),
  })).tree;
  const headers = fc.dictionary(
    fc.constantFrom('Visage-Operation', 'visage-operation', 'Visage-Last-Updated', 'x'),
    fc.constantFrom('create', 'merge', 'delete', 'erase', '', '2026-03-10T08:00:00Z', '2999-01-01T00:00:00Z'),
  );
  let records = 0;
  fc.assert(
    fc.property(value, headers, (body, given) => {
      const decoded = decode(JSON.stringify(body), { ...CRM, headers: given });
      if (!isRefusal(decoded)) records++;
      expect(sane(decoded)).toBe(true);
    }),
    { numRuns: 2_000, seed: 1 },
  );
  expect(records).toBeGreaterThan(50);
});

it('names at most a hundred violations, however many there are', () => {
  const many = (n: number, item: string): string => `[${Array.from({ length: n }, () => item).join(',')}]`;
  expect(refused(`{"identityMap":{"x":${many(40_000, '0')}}}`)).toHaveLength(1); // too many of them, whatever they are
  const maps = Array.from({ length: 2_000 }, (_, i) => `"n${i}":0`).join(',');
  expect(refused(`{"identityMap":{${maps}}}`)).toHaveLength(100);
  const infinite = Array.from({ length: 5_000 }, (_, i) => `"k${i}":1e999`).join(',');
  expect(refused(`{${infinite}}`)).toHaveLength(100);
});
