import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { celEnvironment } from '../../../src/definitions/cel_environment.ts';
import { compileFilter, compileValue, isMistake } from '../../../src/definitions/compile_expression.ts';
import { reader } from '../../../src/definitions/event_path.ts';
import { unionShape, type EventShape } from '../../../src/definitions/event_shape.ts';
import type { EventBody } from '../../../src/message/admission.ts';

const closed = unionShape(
  new Map([
    [
      's',
      {
        type: 'object',
        properties: {
          a: { type: 'number' },
          s: { type: 'string' },
          t: { type: 'boolean' },
          l: { type: 'array', items: { type: 'number' } },
          d: {},
          constructor: { type: 'number' },
          o: {
            type: 'object',
            properties: {
              a: { type: 'number' },
              length: { type: 'number' },
              p: { type: 'object', properties: { s: { type: 'string' }, d: {} } },
            },
          },
        },
      },
    ],
  ]),
).shape;
const open: EventShape = { kind: 'dyn' };

const TESTS = [
  'event.a > 0',
  'event.a >= 0.5',
  'event.a < 1',
  'event.a <= -1',
  'event.a == 1.0',
  'event.a != 1.0',
  '1.0 < event.a',
  '-1.5 == event.a',
  `event.s == 'x'`,
  `event.s != 'x'`,
  `event.s < 'x'`,
  `'x' == event.s`,
  'event.t',
  '!event.t',
  'event.t == true',
  'event.t != false',
  'event.d == 1.0',
  'event.d != 1.0',
  'event.d == 1',
  'event.d != 1',
  '1 == event.d',
  '1.0 != event.d',
  'event.d > 0.0',
  '0 < event.d',
  `event.d == 'x'`,
  `event.d != 'x'`,
  `'x' != event.d`,
  `event.d >= 'x'`,
  'event.d == true',
  'true != event.d',
  'event.d',
  '!event.d',
  'event.o.a > 0.0',
  'event.o.length > 0.0',
  `event.o.p.s == 'x'`,
  'event.o.p.d == 1.0',
  'event.d.a.length == 1.0',
  'event.d.length > 0.0',
  'event.d.o.p.s.a > 0.0',
  'event.constructor > 0.0',
  'event.d.constructor > 0.0',
  'event.d.toString == 1.0',
  'has(event.a)',
  'has(event.o)',
  'has(event.o.p)',
  'has(event.o.p.s)',
  'has(event.d)',
  'has(event.d.a)',
  'has(event.d.a.s)',
  'has(event.d.length)',
  'has(event.l)',
  '!has(event.o.a)',
];
const SLOW = [
  'event.a * 2.0 > 1.0',
  `event.s in ['x', 'y']`,
  `event.s.startsWith('x')`,
  'event.l.exists(i, i > 0.0)',
  'event.l[0] > 0.0',
  'event.t ? event.a > 0.0 : event.o.a > 0.0',
  'size(event.l) > 1',
  'event.d.a + 1.0 > 1.0',
  'event.o.a + event.a > 0.0',
  `event.o.p.s + event.s == 'xx'`,
  'event.d == null',
  '-event.a < 0.0',
  'event.d in [1.0, 2.0]',
];
const VALUES = [
  'event.a',
  'event.s',
  'event.t',
  'event.l',
  'event.d.s',
  'event.o.a',
  'event.o.p.s',
  'event.o.length',
  'event.constructor',
  'event.a * 2.0',
  'event.l.map(i, i + 1.0)',
  'size(event.l)',
];

const key = fc.constantFrom('a', 's', 't', 'l', 'd', 'o', 'p', 'length', 'constructor', 'toString');
const leaf = fc.constantFrom<unknown>(0, 1, -1, 1.5, -0, 2 ** 60, 'x', '', '1', true, false, null);
const { event: anyEvent } = fc.letrec<{ value: unknown; event: Record<string, unknown> }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, leaf, leaf, fc.array(tie('value'), { maxLength: 3 }), tie('event')),
  event: fc.dictionary(key, tie('value'), { maxKeys: 5 }),
}));
const typed = fc.record(
  {
    a: fc.constantFrom<unknown>(0, 1, -1, 0.5, 'x'),
    s: fc.constantFrom<unknown>('x', 'y', 1),
    t: fc.constantFrom<unknown>(true, false, null),
    l: fc.constantFrom<unknown>([], [1], [0, 2], ['x'], 1),
    d: fc.oneof(leaf, fc.constantFrom<unknown>({ a: 1 }, { a: { s: 1 } }, { s: 'x' }, [1])),
    o: fc.oneof(
      leaf,
      fc.record(
        {
          a: fc.constantFrom<unknown>(1, -1, 'x'),
          length: leaf,
          p: fc.oneof(leaf, fc.record({ s: leaf, d: leaf }, { requiredKeys: [] })),
        },
        { requiredKeys: [] },
      ),
    ),
  },
  { requiredKeys: [] },
);
// Through JSON, as events come: no shared objects, `constructor` an own key, no prototype tricks.
const event = fc.oneof(anyEvent, typed).map((value) => JSON.parse(JSON.stringify(value)) as EventBody);

function filters(text: string, shape: EventShape, expectFast: boolean): [(e: EventBody) => boolean, (e: EventBody) => boolean] {
  const cel = celEnvironment(shape);
  const quick = compileFilter(text, cel, shape);
  const slow = compileFilter(text, cel, shape, false);
  if (isMistake(quick) || isMistake(slow)) throw new Error(`${text}: ${JSON.stringify([quick, slow])}`);
  expect(quick.fast, text).toBe(expectFast);
  return [quick.matches, slow.matches];
}

describe('the fast form answers as the interpreter does', () => {
  it.each([...TESTS.map((text) => [text, true] as const), ...SLOW.map((text) => [text, false] as const)])(
    '%s',
    (text, isFast) => {
      for (const shape of [closed, open]) {
        const [quick, slow] = filters(text, shape, isFast);
        fc.assert(
          fc.property(event, (body) => void expect(quick(body), JSON.stringify(body)).toBe(slow(body))),
          { numRuns: 400 },
        );
      }
    },
  );

  it('for random compositions of && || !', () => {
    const node: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom(...TESTS),
        fc.tuple(tie('node'), fc.constantFrom('&&', '||'), tie('node')).map(([a, op, b]) => `(${a}) ${op} (${b})`),
        tie('node').map((a) => `!(${a})`),
      ),
    })).node;
    fc.assert(
      fc.property(node, fc.array(event, { minLength: 20, maxLength: 20 }), (text, events) => {
        for (const shape of [closed, open]) {
          const [quick, slow] = filters(text, shape, true);
          for (const body of events) expect(quick(body), `${text} ${JSON.stringify(body)}`).toBe(slow(body));
        }
      }),
      { numRuns: 150 },
    );
  });

  it.each(VALUES)('as a value: %s', (text) => {
    for (const shape of [closed, open]) {
      const cel = celEnvironment(shape);
      const quick = compileValue(text, 'mostRecent', cel, shape);
      const slow = compileValue(text, 'mostRecent', cel, shape, false);
      if (isMistake(quick) || isMistake(slow)) throw new Error(JSON.stringify([quick, slow]));
      // Objects are no values: the interpreter's side drops them, the fast side leaves that to the fold.
      const primitive = (value: unknown): unknown =>
        Array.isArray(value)
          ? value.every((item) => typeof item !== 'object' || item === null)
            ? value
            : 'not a value'
          : typeof value === 'object' && value !== null
            ? 'not a value'
            : value;
      fc.assert(
        fc.property(event, (body) => {
          const [a, b] = [primitive(quick.valueOf(body)), primitive(slow.valueOf(body))];
          if (a === 'not a value')
            expect(b === undefined || b === 'not a value', `${JSON.stringify(body)} ${JSON.stringify(b)}`).toBe(true);
          else expect(a, JSON.stringify(body)).toEqual(b);
        }),
        { numRuns: 400 },
      );
    }
  });
});

describe('stated answers', () => {
  const match = (text: string, body: EventBody, shape = closed): boolean => filters(text, shape, true)[0](body);

  it('a missing key is no match, also when negated', () => {
    expect(match('event.a > 0', {})).toBe(false);
    expect(match('!(event.a > 0)', {})).toBe(false);
    expect(match("event.o.p.s != 'x'", { o: {} })).toBe(false);
  });

  it('a declared number that arrives as text is no match for any comparison', () => {
    for (const op of ['>', '<', '==', '!=', '>=', '<=']) expect(match(`event.a ${op} 1.0`, { a: '1' })).toBe(false);
  });

  it('`x > 0` and `x > 0.0` are the same', () => {
    expect([match('event.a > 0', { a: 1 }), match('event.a > 0.0', { a: 1 })]).toEqual([true, true]);
  });

  it('keys of prototypes are not there', () => {
    expect(match('event.o.length > 0.0', { o: [1, 2] })).toBe(false);
    expect(match('event.d.length > 0.0', { d: 'abc' })).toBe(false);
    expect(match('has(event.d.toString)', { d: {} })).toBe(false);
    expect(match('event.constructor > 0.0', { constructor: 5 })).toBe(true);
    expect(match('event.d.__proto__ != 1.0', { d: {} })).toBe(false);
  });

  it('a key named constructor switches no filter off', () => {
    const body = JSON.parse('{"constructor":null,"a":2,"l":[1],"o":{"constructor":{"x":1},"a":3}}') as EventBody;
    for (const text of SLOW.slice(0, 1).concat('event.o.a + event.a > 4.0', 'event.l.exists(i, i > 0.0)')) {
      expect(
        filters(text, closed, false).map((matches) => matches(body)),
        text,
      ).toEqual([true, true]);
    }
  });

  it('no input makes them throw', () => {
    const [quick, slow] = filters('event.a * 2.0 > 1.0', closed, false);
    for (const odd of [null, undefined, 1, 'x', [], Object.create(null), new Map()] as unknown as EventBody[]) {
      if (odd != null) expect([quick(odd), slow(odd)]).toEqual([false, false]);
      else expect(slow(odd)).toBe(false);
    }
  });

  it('integers of CEL come out as JSON numbers', () => {
    const value = compileValue('size(event.l)', 'sum', celEnvironment(closed), closed);
    expect(isMistake(value) ? value : value.valueOf({ l: [1, 2, 3] })).toBe(3);
  });
});

describe('reader', () => {
  it('reads any depth, unrolled or not', () => {
    const path = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    for (let depth = 1; depth <= path.length; depth++) {
      const body = path.slice(0, depth).reduceRight<unknown>((inner, step) => ({ [step]: inner }), 42) as EventBody;
      expect(reader(path.slice(0, depth))(body)).toBe(42);
      expect(reader(path.slice(0, depth))({})).toBeUndefined();
      expect(reader(path.slice(0, depth))({ a: null })).toBe(depth === 1 ? null : undefined);
    }
  });
});
