// Commits as bytes: what JSON.stringify makes of the same events, member by member in the same order.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonBytes } from '../../../src/base/json_bytes.ts';
import { identityKey, identityName, parseIdentityKey } from '../../../src/message/identity.ts';
import type { PendingEvent } from '../../../src/shard/commit_builder.ts';
import { CommitEncoder } from '../../../src/shard/commit_encoder.ts';
import type { Cause } from '../../../src/shard/effects.ts';

const ATTRIBUTES = [
  { path: 'computed.spend30d', name: 'spend30d', audience: false },
  { path: 'computed.big', name: 'big', audience: true },
  { path: 'computed.last', name: 'last', audience: false },
];
const PLAN = { attributes: ATTRIBUTES };

const numbers = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.integer({ min: -2_000, max: 300_000_000_000 }).map((cents) => cents / 100),
  fc.constantFrom(0, -0, 1e21, 5e-324, 2 ** 31, 2 ** 31 - 1, -(2 ** 31), 21_474_836.47, 21_474_836.48, 0.1, 0.01, 99.9, 1e9),
);
const texts = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('"', '\\', '\ud800', 'é', '\u007f', '\u2028'));
const values = fc.oneof(numbers, texts, fc.boolean(), fc.array(fc.oneof(numbers, texts)), fc.constant(undefined));
const sequences = fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 2 ** 31 - 2, max: 2 ** 53 - 1 }));
const ids = texts.filter((id) => id !== '' && id.isWellFormed());

const causes: fc.Arbitrary<Cause> = fc.oneof(
  fc.record({ kind: fc.constant('event' as const), dataset: fc.constantFrom('orders', 'web'), _id: texts, sequence: sequences }),
  fc.record({ kind: fc.constant('expiry' as const), sequence: sequences }),
);
const events: fc.Arbitrary<PendingEvent> = fc
  .record({
    id: ids,
    version: sequences,
    previousVersion: sequences,
    ordinal: fc.nat(40),
    timeMs: fc.integer({ min: 0, max: 4e12 }),
    existed: fc.boolean(),
    exists: fc.boolean(),
    causes: fc.array(causes, { maxLength: 3 }),
    more: fc.nat(2),
    before: fc.tuple(values, fc.constantFrom(true, false, undefined), values),
    after: fc.tuple(values, fc.constantFrom(true, false, undefined), values),
  })
  .map(({ id, more, ...rest }) => ({
    ...rest,
    key: identityKey({ namespace: 'customerId', id }),
    causeCount: rest.causes.length + more,
    attributes: [0, 1, 2],
    leaves: null,
    bytes: 0,
    trace: null,
  }));

/** Written apart from the encoder. */
function naive(event: PendingEvent): object {
  const profile = parseIdentityKey(event.key);
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b) && typeof a === typeof b;
  const changes = ATTRIBUTES.map(({ path }, i) => ({ path, before: event.before[i], after: event.after[i] })).filter(
    ({ before, after }) => !same(before, after),
  );
  const isIn = (value: unknown): boolean => value === true;
  return {
    specversion: '1.0',
    id: `3-${event.version}-${event.ordinal}`,
    source: '/shop/LOG/3',
    type: `visage.profile.${!event.exists ? 'deleted' : event.existed ? 'updated' : 'created'}`,
    subject: identityName(profile),
    time: new Date(event.timeMs).toISOString(),
    datacontenttype: 'application/json',
    data: {
      profile,
      version: event.version,
      previousVersion: event.previousVersion,
      sequence: event.version,
      cause: event.causes,
      ...(event.causeCount > event.causes.length ? { causeCount: event.causeCount } : {}),
      changes,
      audiences: {
        entered: !isIn(event.before[1]) && isIn(event.after[1]) ? ['big'] : [],
        exited: isIn(event.before[1]) && !isIn(event.after[1]) ? ['big'] : [],
      },
    },
  };
}

test('a commit is the JSON of its events', () => {
  const encoder = new CommitEncoder({ root: 'shop', logStream: 'LOG', shard: 3, generation: 1, repeatedThrough: 0 });
  fc.assert(
    fc.property(fc.array(events, { maxLength: 4 }), (list) => {
      const bytes = encoder.encode({ events: list, plan: PLAN });
      expect(bytes.toString()).toBe(JSON.stringify(list.map(naive)));
    }),
    { numRuns: 1_000 },
  );
});

test('what is taken stays as it is, and what is longer than the buffer fits', () => {
  const out = new JsonBytes();
  out.quoted('é'.repeat(100_000));
  const long = out.take();
  out.plain('x'.repeat(200_000));
  expect(long.toString()).toBe(JSON.stringify('é'.repeat(100_000)));
  expect(out.take().length).toBe(200_000);
  expect(out.take().length).toBe(0);
});
