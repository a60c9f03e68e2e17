import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import type { EventBody } from '../../../src/message/admission.ts';
import { isRefusal, type Decoded } from '../../../src/message/decode.ts';
import { encodeId, partitionOf } from '../../../src/message/identity.ts';
import { REFUSAL_REASONS, type Refusal, type Violation } from '../../../src/message/refusal.ts';
import { ADMISSION, admissionOf, admitted, decode, NOW, refusals, rule, utf8 } from './admission_fixture.ts';

const GOOD = '"_id":"e-1","timestamp":"2026-03-10T09:00:00.000Z"';
const event = (rest: string): string => `{${GOOD}${rest}}`;
const nested = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);

describe('an admitted event', () => {
  it('keeps what was said', () => {
    expect(decode(event(',"eventType":"t","x":{"y":[1,2]},"identityMap":{"email":[{"id":"a"}]}'))).toEqual({
      kind: 'event',
      dataset: ADMISSION.datasets.get('orders'),
      key: 'customerId.ada',
      id: 'e-1',
      timestampMs: NOW,
      atMs: NOW,
      eventType: 't',
      body: {
        _id: 'e-1',
        timestamp: '2026-03-10T09:00:00.000Z',
        eventType: 't',
        x: { y: [1, 2] },
        identityMap: { email: [{ id: 'a' }] },
      },
      ranksOther: false,
    });
    expect(admitted('event', event(''))).toMatchObject({ id: 'e-1', eventType: '', ranksOther: false });
  });

  it('counts at the earlier of its timestamp and the log time', () => {
    const at = (timestamp: string) => admitted('event', `{"_id":"e","timestamp":"${timestamp}"}`).atMs;
    expect(at('2026-03-10T09:05:00.000Z')).toBe(NOW); // exactly maxFutureSkew ahead
    expect(at('2026-03-10T08:59:59.999Z')).toBe(NOW - 1);
    expect(refusals('{"_id":"e","timestamp":"2026-03-10T09:05:00.001Z"}')).toEqual(['future /timestamp']);
  });

  it('may have an id that needs encoding', () => {
    const { key } = admitted('event', event(''), { subject: `orders.customerId.${encodeId('a.b@é😀')}` });
    expect(key).toBe('customerId.a%2Eb%40%C3%A9%F0%9F%98%80');
  });

  it('may repeat keys (the last wins), hold lone surrogates and a key named constructor', () => {
    expect(decode(event(',"a":1,"a":2,"b":"\\ud800","constructor":{"prototype":{"x":1}}'))).toMatchObject({
      body: { a: 2, b: '\ud800' },
    });
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it('is as deep as allowed, not deeper', () => {
    expect(refusals(event(`,"x":${nested(15)}`))).toEqual([]);
    expect(refusals(event(`,"x":${nested(16)}`))).toEqual([`too_large /x${'/a'.repeat(15)}`]);
    expect(refusals(event(`,"x":${'['.repeat(15)}${']'.repeat(15)}`))).toEqual([]);
    expect(refusals(event(`,"x":${'['.repeat(16)}${']'.repeat(16)}`))).toEqual([`too_large /x${'/0'.repeat(15)}`]);
    expect(refusals(event(`,"x":${'['.repeat(4000)}${']'.repeat(4000)}`))).toHaveLength(1);
  });

  it('is as large as allowed, not larger', () => {
    const fill = (bytes: number) => event(`,"x":"${'x'.repeat(bytes - event(',"x":""').length)}"`);
    expect(refusals(fill(10_240))).toEqual([]);
    expect(refusals(fill(10_241))).toEqual(['too_large ']);
  });
});

describe('refused bodies', () => {
  it.each([
    ['', ['malformed ']],
    ['{', ['malformed ']],
    ['null', ['malformed ']],
    ['1', ['malformed ']],
    ['"a"', ['malformed ']],
    [`[${event('')}]`, ['malformed ']],
    [`\ufeff${event('')}`, ['malformed ']],
    [event(',"x":NaN'), ['malformed ']],
    [event(',"x":Infinity'), ['malformed ']],
    [event(',"x":01'), ['malformed ']],
    [event(',"x":1e999'), ['not_finite /x']],
    [event(',"x":[0,{"y":-1e999}]'), ['not_finite /x/1/y']],
    [event(',"x":1e999,"y/z~":1e999'), ['not_finite /x', 'not_finite /y~1z~0']],
    [event(',"__proto__":{"x":1}'), ['forbidden_key /__proto__']],
    [event(',"a":[{"__proto__":1}]'), ['forbidden_key /a/0/__proto__']],
    [event(',"\\u005f_proto__":null'), ['forbidden_key /__proto__']],
    ['{}', ['missing_id /_id', 'missing_timestamp /timestamp']],
    ['{"_id":"","timestamp":""}', ['missing_id /_id', 'missing_timestamp /timestamp']],
    ['{"_id":null,"timestamp":null}', ['missing_id /_id', 'missing_timestamp /timestamp']],
    ['{"_id":1,"timestamp":1}', ['schema /_id', 'bad_timestamp /timestamp']],
    ['{"_id":"e","timestamp":"2026-02-30T00:00:00.000Z"}', ['bad_timestamp /timestamp']],
    ['{"_id":"e","timestamp":"2099-01-01T00:00:00.000Z"}', ['future /timestamp']],
    [event(',"eventType":1'), ['schema /eventType']],
    [event(',"eventType":null'), ['schema /eventType']],
    [event(',"identityMap":null'), ['schema /identityMap']],
    [event(',"identityMap":[]'), ['schema /identityMap']],
    [event(',"identityMap":{"email":{}}'), ['schema /identityMap/email']],
    [
      event(',"identityMap":{"email":[{},null,{"id":1},{"id":"a"}]}'),
      ['schema /identityMap/email/0/id', 'schema /identityMap/email/1/id', 'schema /identityMap/email/2/id'],
    ],
    [event(`,"identityMap":{"a":[${'{"id":"a"},'.repeat(20)}{"id":"b"}]}`), ['too_large /identityMap']],
    [
      '{"timestamp":"2099-01-01T00:00:00.000Z","x":1e999,"eventType":0}',
      ['not_finite /x', 'missing_id /_id', 'future /timestamp', 'schema /eventType'],
    ],
  ])('%s', (body, expected) => {
    expect(refusals(body)).toEqual(expected);
  });

  it('bad UTF-8', () => {
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xae]]) {
      const body = new Uint8Array([
        ...utf8.encode('{"_id":"'),
        ...bytes,
        ...utf8.encode('","timestamp":"2026-03-10T09:00:00.000Z"}'),
      ]);
      expect(refusals(body)).toEqual(['malformed ']);
    }
  });

  it('never quotes the data', () => {
    for (const body of ['{"email":"ada@example.com"', '{"a": ada@example.com}', 'ada@example.com', '{"ada@example.com":1e999}x'])
      expect((decode(body) as Refusal).errors.map(({ message }) => message).join()).not.toContain('ada');
  });
});

describe('an event and its schema', () => {
  const WRONG: Violation = { pointer: '/x', keyword: 'type', message: 'must be a number' };
  const seen: EventBody[] = [];
  const check = (body: EventBody): readonly Violation[] | null => {
    seen.push(body);
    return typeof body['x'] === 'string' ? [WRONG, { ...WRONG, pointer: '/y' }] : null;
  };
  const admission = admissionOf(rule('orders', { check }));

  it('is admitted when it keeps to it, and refused with every violation when it does not', () => {
    expect(admitted('event', event(',"x":1'), { admission }).body).toMatchObject({ x: 1 });
    expect(decode(event(',"x":"1"'), { admission })).toEqual({ reason: 'schema', errors: [WRONG, { ...WRONG, pointer: '/y' }] });
  });

  it('is refused for what comes first, with all there is', () => {
    const decoded = decode('{"x":"1","timestamp":"no","identityMap":[]}', { admission });
    expect(decoded).toMatchObject({ reason: 'missing_id' });
    expect(refusals('{"x":"1","timestamp":"no","identityMap":[]}', { admission })).toEqual([
      'missing_id /_id',
      'bad_timestamp /timestamp',
      'schema /identityMap',
      'type /x',
      'type /y',
    ]);
  });

  it('is not shown to the schema with what no payload may hold', () => {
    seen.length = 0;
    expect(refusals(event(',"x":"1","__proto__":1'), { admission })).toEqual(['forbidden_key /__proto__']);
    expect(refusals(event(`,"x":${nested(16)}`), { admission })).toHaveLength(1);
    expect(seen).toEqual([]);
  });

  it('is shown whole, with or without identities', () => {
    seen.length = 0;
    admitted('event', event(''), { admission });
    admitted('event', event(',"identityMap":{}'), { admission });
    expect(seen.map((body) => Object.keys(body))).toEqual([
      ['_id', 'timestamp'],
      ['_id', 'timestamp', 'identityMap'],
    ]);
  });

  it('that finds nothing but says so with a list is no reason to refuse', () => {
    expect(refusals(event(''), { admission: admissionOf(rule('orders', { check: () => [] })) })).toEqual([]);
  });

  it('is not checked in a log of before there were checks', () => {
    seen.length = 0;
    expect(admitted('event', event(',"x":"1"'), { admission, foldVersion: 2 }).ranksOther).toBe(false);
    expect(refusals(event(',"x":"1","identityMap":{"email":[{}]}'), { admission, foldVersion: 2 })).toEqual([
      'schema /identityMap/email/0/id',
    ]);
    expect(seen).toEqual([]);
  });
});

describe('refused subjects', () => {
  it.each([
    ['orders', ['bad_subject /subject']],
    ['orders.customerId', ['bad_subject /subject']],
    ['orders.customerId.', ['bad_subject /subject']],
    ['orders.customerId.a.b', ['bad_subject /subject']],
    ['nosuch.customerId.ada', ['unknown_dataset /subject/dataset']],
    ['Orders.customerId.ada', ['bad_subject /subject/dataset']],
    ['.customerId.ada', ['bad_subject /subject/dataset']],
    ['constructor.customerId.ada', ['unknown_dataset /subject/dataset']],
    ['orders.nosuch.ada', ['unknown_namespace /subject/namespace']],
    ['orders..ada', ['unknown_namespace /subject/namespace']],
    ['orders.toString.ada', ['unknown_namespace /subject/namespace']],
    ['orders.customerId.%0A', ['blocked_id /subject/id']],
    ['orders.customerId.%C2%A0', ['blocked_id /subject/id']],
    ['orders.customerId.a%2eb', ['bad_subject /subject/id']],
    ['orders.customerId.%41', ['bad_subject /subject/id']],
    ['orders.customerId.a*', ['bad_subject /subject/id']],
    ['orders.customerId.%FF', ['bad_subject /subject/id']],
    [`orders.customerId.${'x'.repeat(2048)}`, ['too_large /subject/id']],
    [`orders.customerId.${'x'.repeat(513)}`, ['too_large /subject/id']],
    [`orders.customerId.${'%C3%A9'.repeat(257)}`, ['too_large /subject/id']],
    ['orders.customerId.%20', ['blocked_id /subject/id']],
    ['orders.customerId.%E2%80%83%09', ['blocked_id /subject/id']],
    ['orders.customerId.null', ['blocked_id /subject/id']],
    ['orders.customerId.anonymous', ['blocked_id /subject/id']],
    ['orders.customerId.invalid', ['blocked_id /subject/id']],
    ['orders.customerId.undefined', ['blocked_id /subject/id']],
  ])('%s', (subject, expected) => {
    expect(refusals(event(''), { subject })).toEqual(expected);
  });

  it('ids as long as allowed are fine', () => {
    expect(refusals(event(''), { subject: `orders.customerId.${'x'.repeat(512)}` })).toEqual([]);
    expect(refusals(event(''), { subject: `orders.customerId.${'%C3%A9'.repeat(256)}` })).toEqual([]);
    for (const id of ['Null', 'nul', 'anonymous1', 'INVALID', '%20a', '%C3%A9', '0'])
      expect(refusals(event(''), { subject: `orders.customerId.${id}` })).toEqual([]);
  });

  it('another shard’s identity, and no definitions', () => {
    const other = Array.from({ length: 20 }, (_, i) => `c-${i}`).find((id) => partitionOf(`customerId.${id}`, 4) !== 0)!;
    expect(refusals(event(''), { subject: `orders.customerId.${other}`, partitions: 4 })).toEqual(['wrong_partition /subject']);
    expect(refusals(event(''), { admission: null })).toEqual(['no_definitions /subject']);
  });
});

describe('whatever comes', () => {
  const sane = (decoded: Decoded | Refusal): void => {
    if (isRefusal(decoded)) {
      if (decoded.errors.length === 0 || !REFUSAL_REASONS.includes(decoded.reason)) throw new Error('a refusal without reason');
    } else if (decoded.kind !== 'event' || !Number.isSafeInteger(decoded.atMs) || decoded.atMs > NOW || decoded.id === '') {
      throw new Error(`admitted: ${JSON.stringify(decoded)}`);
    }
  };

  it('never throws for 20,000 random bytes and mutilated events', () => {
    const random = seededRandom(1);
    const good = utf8.encode(
      event(',"eventType":"t","x":{"y":[1.5,-2e3,null,true,"\\u00e9é"]},"identityMap":{"email":[{"id":"a"}]}'),
    );
    for (let n = 0; n < 20_000; n++) {
      const body =
        n % 2 === 0
          ? new Uint8Array(random.below(64)).map(() => random.below(256))
          : good.slice(0, good.length - random.below(8));
      if (n % 2 === 1) for (let i = random.below(4); i >= 0; i--) body[random.below(body.length)] = random.below(256);
      sane(decode(body));
    }
  });

  it('never throws for random JSON', () => {
    const json = fc.dictionary(
      fc.constantFrom('_id', 'timestamp', 'eventType', 'identityMap', '__proto__', 'x'),
      fc.jsonValue({ maxDepth: 3 }),
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(json, (value) => sane(decode(JSON.stringify(value)))),
      { numRuns: 600 },
    );
  });

  it('never throws for random subjects', () => {
    const token = fc.oneof(
      fc.constantFrom('orders', 'customerId', 'ada', '', '%', '%2E', '.', '%zz', '\0'),
      fc.string({ unit: 'binary', maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 4 }), (tokens) => sane(decode(event(''), { subject: tokens.join('.') }))),
      { numRuns: 600 },
    );
  });
});
