// Profile ↔ records.
import { describe, expect, it } from 'vitest';
import type { ChunkList } from '../../../src/aggregate/chunk_list.ts';
import { IdentityState } from '../../../src/aggregate/identity_state.ts';
import { advance, insertValue } from '../../../src/aggregate/part.ts';
import type { Measure, Plan } from '../../../src/aggregate/plan.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { ByteReader } from '../../../src/store/byte_reader.ts';
import { ByteWriter } from '../../../src/store/byte_writer.ts';
import { decodeProfile, type ChunkSource } from '../../../src/store/decode_profile.ts';
import { dueKey, parseDueKey } from '../../../src/store/due_key.ts';
import { encodeProfile } from '../../../src/store/encode_profile.ts';
import type { ProfileRecords } from '../../../src/store/records.ts';
import { windowSet } from '../aggregate/plan_parts.ts';
import { contentOf, largeState, live, PLAN } from './random_state.ts';

const NOW = 1_770_000_000_000;
const AT_NOW = { atMs: NOW, sequence: 1, nowMs: NOW, exactEvents: 5_000 };

/** The records of one profile, kept as a store would. */
class Records implements ChunkSource {
  bytes: Buffer = Buffer.alloc(0);
  head: Buffer = Buffer.alloc(0);
  readonly chunks = new Map<string, Buffer>();

  read(key: string): number {
    const found = this.chunks.get(key);
    if (found === undefined) return -1;
    this.bytes = found;
    return found.length;
  }

  save(state: IdentityState): ProfileRecords {
    const records = encodeProfile(state, PLAN);
    this.head = records.head;
    for (const key of records.removed) expect(this.chunks.delete(key)).toBe(true);
    for (const { key, bytes } of records.chunks) this.chunks.set(key, bytes);
    return records;
  }

  load(key: string, plan: Plan = PLAN): IdentityState {
    return decodeProfile(key, this.head, this.head.length, plan, this);
  }
}

function hexOf({ chunks }: Records): string[] {
  return [...chunks].map(([key, bytes]) => `${key} ${bytes.toString('hex')}`).sort();
}

/** Where remembered ids are cut into chunks depends on when they were loaded. */
function sameRows(state: IdentityState): unknown {
  const content = contentOf(state) as { seen: { data: number[][] } };
  return { ...content, seen: content.seen.data.flat() };
}

/** Everything must be written again. */
function dirty(state: IdentityState): void {
  for (const list of listsOf(state)) for (const chunk of list.chunks) chunk.dirty = true;
  for (const fragment of state.fragments) fragment.stored = false;
}

function listsOf({ seen, parts }: IdentityState): ChunkList[] {
  const lists: (ChunkList | null | undefined)[] = [seen];
  for (const { ring, extremes, keepers } of parts)
    lists.push(ring, extremes?.low, extremes?.high, keepers?.earliest, keepers?.list, keepers?.distinct);
  return lists.filter((list) => list !== null && list !== undefined);
}

describe('numbers', () => {
  const edges = [
    0,
    -0,
    1,
    63,
    64,
    127,
    128,
    2 ** 28 - 1,
    2 ** 28,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 35,
    2 ** 42,
    2 ** 49,
    2 ** 53 - 1,
  ];
  const doubles = [
    ...edges,
    9.99,
    0.1,
    0.0001,
    0.00001,
    1 / 3,
    1e15 + 0.5,
    2 ** 53,
    1e300,
    5e-324,
    NaN,
    Infinity,
    123456789.0123,
    1e21,
  ];

  const roundTrip = (write: (out: ByteWriter) => void, read: (from: ByteReader) => unknown): unknown => {
    const out = new ByteWriter();
    write(out);
    const bytes = out.take();
    const from = new ByteReader();
    from.open(bytes, bytes.length);
    const value = read(from);
    from.finish();
    return value;
  };

  it('come back as they were', () => {
    const random = seededRandom(1);
    for (let i = 0; i < 2_000; i++)
      doubles.push(Math.round(random.next() * 1e6) / 10 ** random.below(6), random.next() * 10 ** random.below(30));
    for (const value of doubles.flatMap((v) => [v, -v])) {
      expect(
        roundTrip(
          (out) => out.number(value),
          (from) => from.number(),
        ),
      ).toBe(value);
      if (Number.isSafeInteger(value)) {
        expect(
          roundTrip(
            (out) => out.int(value),
            (from) => from.int(),
          ),
        ).toBe(value + 0);
        if (value >= 0)
          expect(
            roundTrip(
              (out) => out.uint(value),
              (from) => from.uint(),
            ),
          ).toBe(value + 0);
      }
    }
  });

  it('that are no integers are refused where integers are expected', () => {
    for (const value of [0.5, 63.5, 64.5, 2 ** 53, NaN, Infinity, -0.5, -Infinity]) {
      expect(() => new ByteWriter().int(value)).toThrow('only integers');
      expect(() => new ByteWriter().uint(value)).toThrow('only integers');
    }
    expect(() => new ByteWriter().uint(-1)).toThrow('only integers');
  });

  it('take few bytes when they are prices', () => {
    const size = (value: number): number => {
      const out = new ByteWriter();
      out.number(value);
      return out.at;
    };
    expect([0, 7, 9.99, 84.99, 1310.71].map(size)).toEqual([1, 1, 2, 3, 3]);
  });
});

describe('due keys', () => {
  it('sort as dues do, and come back', () => {
    const dues = [-Infinity, -1e300, -2, -1, -0.5, 0, 1, 2 ** 32, NOW, NOW + 1, 1e300, Infinity];
    const keys = dues.map((due) => dueKey(due, 'n.a'));
    expect([...keys].sort()).toEqual(keys);
    expect(keys.map(parseDueKey)).toEqual(dues.map((dueMs) => ({ dueMs, key: 'n.a' })));
    expect(dueKey(5, 'n.a') < dueKey(5, 'n.b')).toBe(true);
  });
});

describe('profiles', () => {
  it('come back as they were, whatever happened to them', () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = seededRandom(seed);
      const records = new Records();
      let state = new IdentityState(`customerId.${seed}`);
      state.evaluatedMs = seed % 3 === 0 ? -900_000_000_000 : NOW;
      for (let round = 0; round < 8; round++) {
        live(state, random, random.below(60));
        const content = contentOf(state);
        expect(records.save(state).bytes).toBeGreaterThan(0);
        const loaded = records.load(state.key);
        expect(contentOf(loaded)).toEqual(content);
        expect(contentOf(state)).toEqual(content);
        expect([loaded.storedDueMs, state.storedDueMs]).toEqual([state.dueMs, state.dueMs]);
        if (random.below(2) === 0) state = loaded;
      }
    }
  });

  it('go on after a round trip as if there had been none, also past their bounds', () => {
    let folded = 0;
    for (let seed = 0; seed < 24; seed++) {
      const exactEvents = [5_000, 3, 6][seed % 3]!;
      let kept = new IdentityState(`customerId.${seed}`);
      kept.evaluatedMs = seed % 4 === 0 ? -900_000_000_000 : NOW;
      live(kept, seededRandom(seed), 300, exactEvents);
      const records = new Records();
      for (let round = 0; round < 4; round++) {
        dirty(kept);
        records.save(kept);
        const loaded = records.load(kept.key);
        const again = new Records();
        dirty(loaded);
        again.save(loaded);
        expect([again.head.toString('hex'), hexOf(again)]).toEqual([records.head.toString('hex'), hexOf(records)]);
        live(kept, seededRandom(seed * 10 + round), 60, exactEvents);
        live(loaded, seededRandom(seed * 10 + round), 60, exactEvents);
        expect(sameRows(loaded)).toEqual(sameRows(kept));
        if (round % 2 === 0) kept = loaded;
        folded += kept.parts.filter(
          ({ tiles, extremes, keepers }) => tiles ?? extremes?.high?.spans ?? keepers?.distinct?.level,
        ).length;
      }
    }
    expect(folded).toBeGreaterThan(50);
  });

  it('with long lists rewrite only the chunks that changed', () => {
    const random = seededRandom(5);
    const records = new Records();
    const state = largeState('customerId.large', random, NOW, { seen: 5_000, ring: 3_000 });
    expect(records.save(state).chunks.length).toBe(state.seen.chunks.length + state.parts[0]!.ring!.chunks.length);
    const loaded = records.load(state.key);
    expect(contentOf(loaded)).toEqual(contentOf(state));
    expect(loaded.seen.has(state.seen.chunks[7]!.data[0]!, state.seen.chunks[7]!.data[1]!)).toBe(true);
    expect(records.save(loaded).chunks).toEqual([]);
    loaded.seen.add(1, 2, NOW, 10_000);
    insertValue(loaded.parts[0]!, PLAN.measures[0]!, 5, { ...AT_NOW, sequence: 9_999 });
    expect(records.save(loaded).chunks.length).toBe(2);
    expect(contentOf(records.load(state.key))).toEqual(contentOf(loaded));
  });

  it('keep long staircases, and leave no records behind when a new extreme empties one', () => {
    const records = new Records();
    const state = new IdentityState('customerId.stairs');
    state.evaluatedMs = NOW;
    const both = PLAN.measures[5]!;
    const part = state.partFor(both, 1);
    const sizes: number[] = [];
    const save = (): void => {
      records.save(state);
      sizes.push(records.chunks.size);
      expect(contentOf(records.load(state.key))).toEqual(contentOf(state));
    };
    const put = (value: number, atMs: number): void => insertValue(part, both, value, { ...AT_NOW, atMs });
    for (let i = 0; i < 60; i++) put(1e6 - i, NOW - 1_000_000 + i * 100);
    save();
    for (let i = 60; i < 600; i++) put(1e6 - i, NOW - 1_000_000 + i * 100);
    save();
    put(1e6 - 590.5, NOW - 1);
    expect(records.save(state).chunks.length).toBe(1); // of five
    put(2e6, NOW);
    save();
    expect(sizes).toEqual([0, 5, 0]);
    const loaded = records.load(state.key).parts[0]!;
    advance(loaded, both, NOW, NOW + 30 * 86_400_000);
    expect([loaded.extremes!.high!.size, loaded.dueMs]).toEqual([0, Infinity]);
  });

  it('without extremes, as an earlier release wrote them, have none yet', () => {
    const records = new Records();
    const both = PLAN.measures[5]!;
    const measures = PLAN.measures.map((measure) => (measure === both ? { ...both, low: null, high: null } : measure));
    const state = new IdentityState('customerId.a');
    insertValue(state.partFor(measures[5]!, 0), measures[5]!, 'tea', AT_NOW);
    records.save(state);
    const { extremes } = records.load(state.key).parts[0]!;
    expect([extremes!.high!.size, extremes!.lifetimeLow]).toEqual([0, NaN]);
  });

  it('with a min or max that the definitions lack are refused', () => {
    const records = new Records();
    const both = PLAN.measures[5]!;
    const state = new IdentityState('customerId.a');
    insertValue(state.partFor(both, 0), both, 5, AT_NOW);
    records.save(state);
    const load = (change: Partial<Measure>): IdentityState => {
      const measures = PLAN.measures.map((measure) => (measure === both ? { ...both, ...change } : measure));
      return records.load(state.key, { ...PLAN, measures });
    };
    const noWindows = windowSet([], true);
    expect(load({}).parts[0]!.extremes!.lifetimeHigh).toBe(5);
    expect(() => load({ low: null, high: null })).toThrow('a min or max that the definitions');
    expect(() => load({ low: null })).toThrow('a min that the definitions');
    expect(() => load({ high: null })).toThrow('a max that the definitions');
    expect(() => load({ high: noWindows })).toThrow('a max that the definitions');
  });

  it('move lists out of the head and back, and leave no records behind', () => {
    const records = new Records();
    const state = new IdentityState('customerId.grows');
    state.evaluatedMs = NOW;
    const sizes: number[] = [];
    for (const rows of [60, 70, 300]) {
      while (state.seen.size < rows) state.seen.add(state.seen.size, 9, NOW + state.seen.size, 10_000);
      records.save(state);
      sizes.push(records.chunks.size);
      expect(contentOf(records.load(state.key))).toEqual(contentOf(state));
    }
    for (const keep of [100, 40, 0]) {
      state.seen.expire(NOW + 300 - keep);
      expect(state.seen.size).toBe(keep);
      records.save(state);
      sizes.push(records.chunks.size);
      expect(contentOf(records.load(state.key))).toEqual(contentOf(state));
    }
    expect(sizes).toEqual([0, 1, 3, 2, 0, 0]);
  });

  it('of other definitions are refused, never guessed', () => {
    const records = new Records();
    const state = new IdentityState('customerId.a');
    insertValue(state.partFor(PLAN.measures[0]!, 2), PLAN.measures[0]!, 5, { ...AT_NOW, atMs: 0, nowMs: 0 });
    records.save(state);
    const reordered: Plan = { ...PLAN, datasets: ['aaa', ...PLAN.datasets] };
    expect(records.load(state.key, reordered).parts[0]!.dataset).toBe(3);
    expect(() => records.load(state.key, { ...PLAN, datasets: ['app'] })).toThrow('a dataset that the definitions');
    expect(() => records.load(state.key, { ...PLAN, measures: PLAN.measures.slice(1) })).toThrow('a measure that');
    const measures = [{ ...PLAN.measures[0]!, windows: [5] }, ...PLAN.measures.slice(1)];
    expect(() => records.load(state.key, { ...PLAN, measures })).toThrow('a set of windows that');
  });

  it('that are damaged are refused', () => {
    const random = seededRandom(8);
    const records = new Records();
    const state = new IdentityState('customerId.a');
    state.evaluatedMs = NOW;
    live(state, random, 50);
    const { head } = records.save(state);
    for (let size = 0; size < head.length; size++) {
      expect(() => decodeProfile('customerId.a', head, size, PLAN, records)).toThrow('damaged');
    }
    for (let i = 0; i < 3_000; i++) {
      const bytes = Buffer.from(head);
      bytes[random.below(bytes.length)] = random.below(256);
      try {
        decodeProfile('customerId.a', bytes, bytes.length, PLAN, records); // another value, or a clear error; never a hang
      } catch (error) {
        expect(['store_damaged', 'store_format', 'unknown_measure']).toContain((error as { code?: string }).code);
      }
    }
  });
});
