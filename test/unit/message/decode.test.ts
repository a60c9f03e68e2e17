import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { DEFAULT_FOLD_SETTINGS } from '../../../src/message/control.ts';
import { decodeEvent, isRefusal, type Admission, type EventMessage } from '../../../src/message/decode.ts';
import { encodeId, partitionOf } from '../../../src/message/identity.ts';
import { REFUSAL_REASONS, type Refusal } from '../../../src/message/refusal.ts';

const NOW = Date.UTC(2026, 2, 10, 9);
const PREFIX = 'visage.log.0.in.';
const ADMISSION: Admission = {
  datasets: new Map([
    ['orders', { name: 'orders', index: 0, profile: true }],
    ['audit', { name: 'audit', index: 1, profile: false }],
  ]),
  namespaces: new Set(['customerId']),
};
const utf8 = new TextEncoder();
type More = {
  subject?: string;
  admission?: Admission | null;
  partitions?: number;
  settings?: Partial<typeof DEFAULT_FOLD_SETTINGS>;
};

function decode(body: string | Uint8Array, more: More = {}): EventMessage | Refusal {
  const message = {
    sequence: 1,
    stampMs: NOW,
    subject: PREFIX + (more.subject ?? 'orders.customerId.ada'),
    headers: null,
    body: typeof body === 'string' ? utf8.encode(body) : body,
  };
  const admission = more.admission === undefined ? ADMISSION : more.admission;
  return decodeEvent(
    message,
    NOW,
    admission,
    { ...DEFAULT_FOLD_SETTINGS, ...more.settings },
    { prefixLength: PREFIX.length, shard: 0, partitions: more.partitions ?? 1 },
  );
}

/** `reason pointer` of each violation. */
function refusals(body: string | Uint8Array, more: More = {}): string[] {
  const decoded = decode(body, more);
  if (!isRefusal(decoded)) return [];
  expect(decoded.reason).toBe(decoded.errors[0]!.keyword);
  expect(REFUSAL_REASONS).toContain(decoded.reason);
  return decoded.errors.map(({ keyword, pointer }) => `${keyword} ${pointer}`);
}

const GOOD = '"_id":"e-1","timestamp":"2026-03-10T09:00:00.000Z"';
const event = (rest: string): string => `{${GOOD}${rest}}`;
const nested = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);

describe('an admitted event', () => {
  it('keeps what was said', () => {
    expect(decode(event(',"eventType":"t","x":{"y":[1,2]},"identityMap":{"email":[{"id":"a"}]}'))).toEqual({
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
    });
  });

  it('counts at the earlier of its timestamp and the log time', () => {
    const at = (timestamp: string) => (decode(`{"_id":"e","timestamp":"${timestamp}"}`) as EventMessage).atMs;
    expect(at('2026-03-10T09:05:00.000Z')).toBe(NOW); // exactly maxFutureSkew ahead
    expect(at('2026-03-10T08:59:59.999Z')).toBe(NOW - 1);
    expect(refusals('{"_id":"e","timestamp":"2026-03-10T09:05:00.001Z"}')).toEqual(['future /timestamp']);
  });

  it('may have an id that needs encoding', () => {
    expect((decode(event(''), { subject: `orders.customerId.${encodeId('a.b@é😀')}` }) as EventMessage).key).toBe(
      'customerId.a%2Eb%40%C3%A9%F0%9F%98%80',
    );
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
    expect(refusals(event(''), { subject: 'orders.customerId.Null' })).toEqual([]);
  });

  it('another shard’s identity, and no definitions', () => {
    const other = Array.from({ length: 20 }, (_, i) => `c-${i}`).find((id) => partitionOf(`customerId.${id}`, 4) !== 0)!;
    expect(refusals(event(''), { subject: `orders.customerId.${other}`, partitions: 4 })).toEqual(['wrong_partition /subject']);
    expect(refusals(event(''), { admission: null })).toEqual(['no_definitions /subject']);
  });
});

describe('whatever comes', () => {
  const sane = (decoded: EventMessage | Refusal): void => {
    if (isRefusal(decoded)) {
      if (decoded.errors.length === 0 || !REFUSAL_REASONS.includes(decoded.reason)) throw new Error('a refusal without reason');
    } else if (!Number.isSafeInteger(decoded.atMs) || decoded.atMs > NOW || decoded.id === '') {
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
