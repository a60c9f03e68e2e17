// MessagePack: every type as the specification has it, what is refused and where, and that it says what JSON says.
import fc from 'fast-check';
import { pack as packByLibrary } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { isRefusal } from '../../../src/message/decode.ts';
import { beginsAsMap, isMessagePack, textsIn, unpackMap } from '../../../src/message/message_pack.ts';
import { Unreadable } from '../../../src/message/unreadable.ts';
import { packMap } from '../../../src/message/write_message_pack.ts';
import { decode, refusals } from './admission_fixture.ts';

/** A map with one key, `a`, and these bytes as its value. */
const valued = (...value: readonly number[]): Uint8Array => Uint8Array.from([0x81, 0xa1, 0x61, ...value]);
const text = (value: string): number[] => [...Buffer.from(value)];
const repeat = (count: number, ...bytes: readonly number[]): number[] => Array.from({ length: count }, () => bytes).flat();

function valueOf(bytes: Uint8Array): unknown {
  const map = unpackMap(bytes);
  if (map instanceof Unreadable) return expect.unreachable(JSON.stringify(map.refusal));
  return map['a'];
}

function refused(bytes: Uint8Array, depth?: number): string {
  const found = unpackMap(bytes, depth);
  if (!(found instanceof Unreadable)) return expect.unreachable(JSON.stringify(found));
  const [{ pointer, keyword, message }] = found.refusal.errors as [(typeof found.refusal.errors)[0]];
  expect(keyword).toBe(found.refusal.reason);
  return `${keyword} ${pointer}: ${message}`;
}

test.each<[string, readonly number[], unknown]>([
  ['nil', [0xc0], null],
  ['false', [0xc2], false],
  ['true', [0xc3], true],
  ['positive fixint', [0x7f], 127],
  ['negative fixint', [0xe0], -32],
  ['uint 8', [0xcc, 0xff], 255],
  ['uint 16', [0xcd, 0x01, 0x00], 256],
  ['uint 32', [0xce, 0xff, 0xff, 0xff, 0xff], 4_294_967_295],
  ['uint 64, the greatest', [0xcf, 0x00, 0x1f, ...repeat(6, 0xff)], Number.MAX_SAFE_INTEGER],
  ['int 8', [0xd0, 0x80], -128],
  ['int 16', [0xd1, 0xff, 0x00], -256],
  ['int 32', [0xd2, 0x80, 0, 0, 0], -2_147_483_648],
  ['int 64, the least', [0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 1], Number.MIN_SAFE_INTEGER],
  ['int 64, -1', [0xd3, ...repeat(8, 0xff)], -1],
  ['float 32', [0xca, 0x3f, 0xc0, 0, 0], 1.5],
  ['float 64', [0xcb, 0x40, 0x39, 0, 0, 0, 0, 0, 0], 25],
  ['fixstr', [0xa2, ...text('é')], 'é'],
  ['str 8', [0xd9, 40, ...repeat(40, 0x78)], 'x'.repeat(40)],
  ['str 16', [0xda, 0x01, 0x00, ...repeat(256, 0x78)], 'x'.repeat(256)],
  ['str 32', [0xdb, 0, 0, 0, 3, ...text('abc')], 'abc'],
  ['the empty str', [0xa0], ''],
  ['a byte order mark in a str', [0xa4, 0xef, 0xbb, 0xbf, 0x78], '\ufeffx'],
  ['fixarray', [0x92, 1, 0xc0], [1, null]],
  ['array 16', [0xdc, 0, 2, 1, 2], [1, 2]],
  ['array 32', [0xdd, 0, 0, 0, 1, 0x90], [[]]],
  ['fixmap', [0x81, 0xa1, 0x62, 0x80], { b: {} }],
  ['map 16', [0xde, 0, 1, 0xa1, 0x62, 1], { b: 1 }],
  ['map 32', [0xdf, 0, 0, 0, 1, 0xd9, 1, 0x62, 2], { b: 2 }],
  ['a key that comes twice', [0x82, 0xa1, 0x62, 1, 0xa1, 0x62, 2], { b: 2 }],
])('%s', (_, bytes, value) => {
  expect(valueOf(valued(...bytes))).toStrictEqual(value);
  expect(valueOf(Uint8Array.from([0, ...valued(...bytes)]).subarray(1))).toStrictEqual(value); // inside of a larger buffer
});

describe('what is refused, with its place', () => {
  test.each<[string, readonly number[], RegExp]>([
    ['binary data', [0xc4, 1, 0], /^malformed \/a: binary data .* text$/],
    ['binary data in an array', [0x92, 1, 0xc5, 0, 0], /^malformed \/a\/1: binary/],
    ['a timestamp', [0xd6, 0xff, 0, 0, 0, 0], /^malformed \/a: an extension type .* RFC 3339/],
    ['an extension of any size', [0xc7, 0, 1], /^malformed \/a: an extension/],
    ['uint 64 past 2^53', [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0], /^not_finite \/a: .* send it as text$/],
    ['int 64 past -2^53', [0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 0], /^not_finite \/a: /],
    ['the byte that is never used', [0xc1], /^malformed \/a: this is not MessagePack$/],
    ['bytes that are no UTF-8', [0xa1, 0xff], /^malformed \/a: a text is not valid UTF-8$/],
    ['half a surrogate pair', [0xa3, 0xed, 0xa0, 0x80], /^malformed \/a: a text is not valid UTF-8$/],
    ['a key that is a number', [0x81, 1, 1], /^malformed \/a: a key of a map is not a text$/],
    ['a value that is cut', [0xcd, 1], /^malformed \/a: the body ends inside of a value$/],
    ['a text that is cut', [0xa5, ...text('abc')], /^malformed \/a: the body ends/],
    ['an array that says it has four thousand million', [0xdd, 0xff, 0xff, 0xff, 0xff], /^malformed \/a: the body ends/],
    ['a map that says so', [0xdf, 0xff, 0xff, 0xff, 0xff], /^malformed \/a: the body ends/],
    ['more behind it', [1, 1], /^malformed : there is more behind the map/],
  ])('%s', (_, bytes, why) => {
    expect(refused(valued(...bytes))).toMatch(why);
  });

  test('what is nested too deeply, however deeply', () => {
    const nested = (depth: number): Uint8Array => Uint8Array.from([...repeat(depth, 0x81, 0xa1, 0x61), 1]);
    expect(unpackMap(nested(16), 16)).not.toBeInstanceOf(Unreadable);
    expect(refused(nested(17), 16)).toBe(`too_large ${'/a'.repeat(16)}: the body is nested too deeply`);
    expect(refused(Uint8Array.from([0x81, 0xa1, 0x61, ...repeat(200_000, 0x91)]))).toMatch(/^too_large /);
  });

  test('what is no map', () => {
    for (const bytes of [[], [0x90], [0xc0], [0x7b, 0x7d]])
      expect(refused(Uint8Array.from(bytes))).toBe('malformed : the body is not a MessagePack map');
  });
});

test('`__proto__` is an own key, and changes no prototype', () => {
  const map = unpackMap(Uint8Array.from([0x81, 0xa9, ...text('__proto__'), 0x81, 0xa1, 0x78, 1]));
  expect(Object.keys(map)).toEqual(['__proto__']);
  expect((map as Record<string, unknown>)['x']).toBeUndefined();
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});

test('the texts of what is cut are found as far as it goes', () => {
  const packed = packMap({ who: 'ada@example.com', list: [{ key: 'v-1' }], rest: 'never read' });
  expect([...textsIn(packed.subarray(0, packed.length - 3))]).toEqual(['who', 'ada@example.com', 'list', 'key', 'v-1', 'rest']);
});

test('content types', () => {
  for (const type of [
    'application/msgpack',
    'Application/MsgPack; charset=binary',
    ' application/x-msgpack',
    'application/vnd.msgpack',
  ])
    expect(isMessagePack(type), type).toBe(true);
  for (const type of ['', 'application/json', 'application/msgpack2', 'msgpack']) expect(isMessagePack(type), type).toBe(false);
});

const objects = fc.dictionary(
  fc.oneof(fc.string(), fc.string({ unit: 'grapheme' })),
  fc.jsonValue({ maxDepth: 5, stringUnit: 'grapheme' }),
);
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('for any object', () => {
  test('what is written is read as its JSON is', () => {
    fc.assert(
      fc.property(objects, (object) => {
        const packed = packMap(object);
        expect(beginsAsMap(packed)).toBe(true);
        expect(unpackMap(packed)).toEqual(asJson(object));
      }),
      { numRuns: 2_000 },
    );
  });

  test('what a library writes is read as its JSON is', () => {
    const plain = fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes('__proto__')),
    );
    fc.assert(
      fc.property(plain, (object) => {
        expect(asJson(unpackMap(packByLibrary(object)))).toEqual(asJson(object)); // it keeps -0, as JSON.stringify does not
      }),
      { numRuns: 1_000 },
    );
  });

  test('whatever is done to its bytes, there is a map or a reason, and nothing is thrown', () => {
    const edit = fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'cut', 'insert'));
    fc.assert(
      fc.property(objects, fc.array(edit, { maxLength: 8 }), (object, edits) => {
        let bytes = [...packMap(object)];
        for (const [at, byte, how] of edits) {
          const place = at % (bytes.length + 1);
          if (how === 'set') bytes[place] = byte;
          else if (how === 'cut') bytes = bytes.slice(0, place);
          else bytes.splice(place, 0, byte);
        }
        const found = unpackMap(Uint8Array.from(bytes));
        if (found instanceof Unreadable) expect(found.refusal.errors).toHaveLength(1);
        else expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
        textsIn(Uint8Array.from(bytes));
      }),
      { numRuns: 3_000 },
    );
  });

  test('any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0x80, max: 0x8f }), (bytes, first) => {
        unpackMap(bytes);
        unpackMap(Uint8Array.from([first, ...bytes]));
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('what JSON has no word for is written as JSON.stringify does it', () => {
  test.each<[string, object]>([
    ['undefined, functions, symbols', { a: undefined, b: () => 1, c: Symbol('x'), d: [undefined, () => 1], e: 1 }],
    [
      'dates, and whatever has a toJSON',
      { at: new Date(0), own: { toJSON: (key: string) => `as ${key}` }, gone: { toJSON: () => undefined } },
    ],
    ['NaN, infinities, -0', { a: NaN, b: Infinity, c: [-Infinity], d: -0 }],
    ['boxes', { a: new Number(1), b: new String('x'), c: new Boolean(false) }],
    ['maps, sets, bytes', { a: new Map([[1, 2]]), b: new Set([1]), c: Uint8Array.of(1, 2) }],
    [
      'many keys, of which some have nothing',
      Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`k${n}`, n % 3 === 0 ? undefined : n])),
    ],
    [
      '70,000 keys, of which one has nothing',
      { ...Object.fromEntries(Array.from({ length: 70_000 }, (_, n) => [`k${n}`, n])), k7: undefined },
    ],
    [
      'long texts and arrays',
      { a: 'é'.repeat(40_000), b: 'x'.repeat(200), c: Array.from({ length: 70_000 }, (_, n) => n), d: 'é'.repeat(10) },
    ],
    [
      'numbers of every size',
      { a: [0, 127, 128, -32, -33, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 60, 1.5, 1e300, 5e-324] },
    ],
  ])('%s', (_, object) => {
    expect(unpackMap(packMap(object))).toEqual(asJson(object));
  });

  test('or is refused, without a word of it', () => {
    const circle: Record<string, unknown> = { secret: 1 };
    circle['self'] = circle;
    for (const body of [circle, { secret: 10n }, { secret: '\ud800' }, ['secret'], new Date(0)])
      expect(() => packMap(body)).toThrow(
        expect.objectContaining({ code: 'malformed', kind: 'refuse', message: expect.not.stringContaining('secret') as string }),
      );
  });
});

describe('a message', () => {
  const event = { _id: 'e-1', timestamp: '2026-03-10T09:00:00.000Z', x: { y: [1, 2.5, null, 'é'] } };
  const packed = packMap(event);
  const headers = { 'content-type': 'application/msgpack' };
  const now = { foldVersion: 5, headers };

  test('with the header is what its JSON is', () => {
    const json = decode(JSON.stringify(event), { foldVersion: 5 });
    expect(isRefusal(json)).toBe(false);
    expect(decode(packed, now)).toEqual(json);
  });

  test('without the header is no JSON, and is told what it lacks', () => {
    for (const more of [{ foldVersion: 5 }, { foldVersion: 5, headers: { 'Content-Type': 'application/json' } }]) {
      const why = decode(packed, more);
      expect(why).toMatchObject({
        reason: 'malformed',
        errors: [
          { pointer: '', message: expect.stringContaining('needs the header Content-Type: application/msgpack') as string },
        ],
      });
    }
    const broken = (): never => {
      throw new Error('these bytes are no headers');
    };
    expect(refusals(packed, { foldVersion: 5, headers: broken })).toEqual(['malformed ']);
  });

  test('before fold version 5 is refused as it was, word for word', () => {
    const before = {
      reason: 'malformed',
      errors: [{ pointer: '', keyword: 'malformed', message: 'the body is not valid UTF-8' }],
    };
    for (const foldVersion of [1, 2, 3, 4]) expect(decode(packed, { ...now, foldVersion })).toEqual(before);
  });

  test('of JSON stays JSON, whatever its header says', () => {
    for (const type of ['application/msgpack', 'text/plain', '']) {
      const decoded = decode(JSON.stringify(event), { foldVersion: 5, headers: { 'Content-Type': type } });
      expect(decoded).toMatchObject({ kind: 'event', id: 'e-1' });
    }
  });

  test('that says it is MessagePack and is no map', () => {
    expect(decode(Uint8Array.of(0x93, 1, 2, 3), now)).toMatchObject({
      reason: 'malformed',
      errors: [{ message: 'the body is not a MessagePack map' }],
    });
  });

  test('is refused for what its JSON would be refused for', () => {
    expect(refusals(packMap({ ...event, _id: '' }), now)).toEqual(['missing_id /_id']);
    expect(refusals(packByLibrary({ ...event, x: NaN }), now)).toEqual(['not_finite /x']);
    expect(refusals(Uint8Array.from([0x81, 0xa9, ...text('__proto__'), 1]), now)).toEqual([
      'forbidden_key /__proto__',
      'missing_id /_id',
      'missing_timestamp /timestamp',
    ]);
    expect(refusals(packMap({ ...event, x: [[[[1]]]] }), { ...now, settings: { depth: 3 } })).toEqual(['too_large /x/0/0']);
    expect(refusals(packMap({ ...event, x: 'x'.repeat(11_000) }), now)).toEqual(['too_large ']);
    expect(refusals(packMap({ identityMap: { email: [{ id: 5 }] }, ...event }), now)).toEqual(['schema /identityMap/email/0/id']);
  });

  test('is a record, or a delete, as well', () => {
    const subject = 'crm.customerId.ada';
    const merge = { 'Visage-Operation': 'merge', 'Content-Type': 'application/msgpack' };
    expect(decode(packMap({ name: null }), { foldVersion: 5, subject, headers: merge })).toMatchObject({
      kind: 'record',
      operation: 'merge',
      body: { name: null },
    });
    expect(decode(packMap({ n: 1 }), { foldVersion: 5, subject, headers })).toMatchObject({
      operation: 'create',
      body: { n: 1 },
    });
  });
});
