// Profiles as the fold makes them, from a seed, and their content as plain data, for comparing.
import { IdentityState } from '../../../src/aggregate/identity_state.ts';
import type { ChunkList } from '../../../src/aggregate/chunk_list.ts';
import type { Extremes } from '../../../src/aggregate/extremes.ts';
import { advance, insertValue } from '../../../src/aggregate/part.ts';
import type { Keepers } from '../../../src/aggregate/keepers.ts';
import type { Measure, Plan } from '../../../src/aggregate/plan.ts';
import type { Random } from '../../../src/base/random.ts';
import { DEFAULT_FOLD_SETTINGS } from '../../../src/message/control.ts';
import type { ShardMeta } from '../../../src/ports/profile_store.ts';
import { Fragment } from '../../../src/record/fragment.ts';
import { attributeOf, calendar, DAY, measureOf, windowSet } from '../aggregate/plan_parts.ts';

function measure(index: number, shape: Partial<Measure>): Measure {
  return measureOf({ ...shape, index, id: Math.imul(index + 1, 0x9e3779b9) >>> 0, text: `measure ${index}` });
}

const ALL_TIME = windowSet([], true);
const BOTH = windowSet([DAY, 7 * DAY], true);
const CALENDARS = [calendar('day'), calendar('month', 2)];

const MEASURES: readonly Measure[] = [
  measure(0, { windows: [DAY, 30 * DAY], lifetime: true, sums: true }),
  measure(1, { windows: [7 * DAY] }),
  measure(2, { lifetime: true, recent: true }),
  measure(3, { windows: [DAY], sums: true, recent: true, low: windowSet([DAY], true), high: BOTH }),
  measure(4, { low: windowSet([9 * DAY]) }),
  measure(5, { recent: true, low: ALL_TIME, high: BOTH }),
  measure(6, { windows: [DAY], calendars: CALENDARS, sums: true, earliest: BOTH, distinct: windowSet([2 * DAY]) }),
  measure(7, { earliest: ALL_TIME, list: windowSet([], false, CALENDARS), listLimit: 100, distinct: ALL_TIME }),
  measure(8, {
    list: BOTH,
    listLimit: 3,
    low: windowSet([], false, CALENDARS),
    earliest: windowSet([3 * DAY], false, CALENDARS),
  }),
];

const TOTAL = attributeOf({ name: 'total', path: 'computed.total', function: 'sum', slot: 2 });

export const PLAN: Plan = {
  hash: 'plan',
  revision: 1,
  admission: { datasets: new Map(), namespaces: new Map() },
  policies: [],
  policy: { name: 'default', isDefault: true, stitching: 'none', order: null },
  datasets: ['app', 'shop', 'web'],
  measures: MEASURES,
  attributes: [TOTAL],
  expressions: [],
  finiteLatest: [],
  byEventType: new Map(),
  anyEventType: [],
};

const NUMBERS = [0, 1, -1, 9.99, 0.1, -0.3, 1e15, 1e300, -1e300, 5e-324, 1 / 3, 123456.7891, 2 ** 53 - 1, -0, 63, 64, 1023, 1024];
const RECENT: readonly unknown[] = [
  '',
  'tea',
  'Tässchen 🍵',
  '\ud800 half',
  'x'.repeat(3_000),
  true,
  false,
  -0,
  1.5,
  [],
  ['a', 2, true, 'ü'],
];

/** Lets `events` events of random kinds happen to a profile. */
export function live(state: IdentityState, random: Random, events: number, exactEvents = 5_000): void {
  for (let i = 0; i < events; i++) {
    const before = state.evaluatedMs;
    const now = before + (random.below(20) === 0 ? random.below(12 * DAY) : random.below(60_000));
    state.evaluatedMs = now;
    state.version++;
    for (const part of state.parts) advance(part, MEASURES[part.measure]!, before, now);
    state.seen.expire(now - 20 * DAY);
    state.seen.add(random.below(2 ** 32), random.below(2 ** 32), now, 4_000);
    const chosen = MEASURES[random.below(MEASURES.length)]!;
    const atMs = random.below(4) === 0 ? now - random.below(8 * DAY) : now;
    const wantsNumbers = chosen.sums || (takesExtremes(chosen) && random.below(8) > 0);
    const value = wantsNumbers ? numberValue(random) : RECENT[random.below(RECENT.length)];
    const dataset = random.below(3);
    state.addEventDataset(dataset);
    insertValue(state.partFor(chosen, dataset), chosen, value, {
      atMs,
      sequence: state.version,
      nowMs: now,
      exactEvents,
    });
  }
  recordsOf(state, random);
  state.dueMs = Math.min(Infinity, ...state.parts.map((part) => part.dueMs));
}

/** Records, deletes, and what they leave. */
function recordsOf(state: IdentityState, random: Random): void {
  for (let i = random.below(4); i > 0; i--) {
    const dataset = random.below(3);
    const text =
      random.below(4) === 0 ? null : JSON.stringify({ a: RECENT[random.below(3)], long: 'ü'.repeat(random.below(600)) });
    const fragment = state.fragmentOf(dataset);
    if (fragment === undefined)
      state.addFragment(new Fragment(dataset, state.evaluatedMs - random.below(DAY), state.version, text));
    else {
      fragment.text = text;
      fragment.stored = false;
      fragment.lastUpdatedMs = state.evaluatedMs;
    }
  }
  if (random.below(10) === 0) state.dropFragments(({ sequence }) => sequence % 2 === 0);
  if (random.below(10) === 0) state.dropParts(({ dataset }) => dataset === 1);
  if (random.below(10) === 0) state.addEventDataset(random.below(3));
  if (random.below(5) === 0) state.tombstone = { sequence: state.version, timeMs: state.evaluatedMs - random.below(DAY) };
  if (random.below(5) === 0) state.clearedTo = state.version;
  state.visible = random.below(8) > 0;
}

function takesExtremes({ low, high }: Measure): boolean {
  return low !== null || high !== null;
}

function numberValue(random: Random): number {
  return random.below(3) === 0 ? NUMBERS[random.below(NUMBERS.length)]! : Math.round(random.next() * 1e5) / 100;
}

/** A profile with thousands of rows, that came in and out of order. */
export function largeState(key: string, random: Random, nowMs: number, rows: { seen: number; ring: number }): IdentityState {
  const state = new IdentityState(key);
  state.evaluatedMs = nowMs;
  for (let i = 0; i < rows.seen; i++) state.seen.add(random.below(2 ** 32), random.below(2 ** 32), nowMs - rows.seen + i, 10_000);
  const chosen = MEASURES[0]!;
  for (let i = 0; i < rows.ring; i++) {
    const atMs = nowMs - (random.below(5) === 0 ? random.below(30 * DAY) : (rows.ring - i) * 100);
    insertValue(state.partFor(chosen, 1), chosen, numberValue(random), { atMs, sequence: i, nowMs, exactEvents: 5_000 });
  }
  state.version = rows.ring;
  state.dueMs = state.parts[0]?.dueMs ?? Infinity;
  return state;
}

/** Everything that must survive the store, as plain data. */
export function contentOf(state: IdentityState): unknown {
  state.seen.compact(); // as the store does before it writes
  return {
    key: state.key,
    version: state.version,
    revision: state.revision,
    dueMs: state.dueMs,
    evaluatedMs: state.evaluatedMs,
    visible: state.visible,
    tombstone: state.tombstone,
    clearedTo: state.clearedTo,
    eventDatasets: [...state.eventDatasets],
    fragments: state.fragments.map(({ dataset, lastUpdatedMs, sequence, text }) => ({ dataset, lastUpdatedMs, sequence, text })),
    seen: listContent(state.seen),
    parts: state.parts.map((part) => ({
      ...part,
      acc: [...part.acc],
      wide: part.wide === null ? null : new Map(part.wide),
      ring: part.ring === null ? null : listContent(part.ring),
      extremes: part.extremes === null ? null : extremesContent(part.extremes),
      tiles: part.tiles === null ? null : { data: [...part.tiles.data], wide: part.tiles.wide && [...part.tiles.wide] },
      keepers: part.keepers === null ? null : keepersContent(part.keepers),
    })),
  };
}

function extremesContent({ low, high, lifetimeLow, lifetimeHigh }: Extremes): unknown {
  const stairs = (of: Extremes['low']): unknown => of && { ...(listContent(of) as object), spans: of.spans && [...of.spans] };
  return { low: stairs(low), high: stairs(high), lifetimeLow, lifetimeHigh };
}

function keepersContent({ earliest, list, distinct, ...first }: Keepers): unknown {
  return {
    ...first,
    earliest: earliest && listContent(earliest),
    list: list && listContent(list),
    distinct: distinct && { ...(listContent(distinct) as object), level: distinct.level, unkeptMs: distinct.unkeptMs },
  };
}

function listContent(list: ChunkList): unknown {
  return {
    size: list.size,
    nextId: list.nextId,
    ids: list.chunks.map((chunk) => chunk.id),
    data: list.chunks.map((chunk) => [...list.rowsOf(chunk)]),
    values: list.chunks.map((chunk) => chunk.values && [...chunk.values]),
  };
}

export function metaAt(applied: number, profiles = 0): ShardMeta {
  return {
    formatVersion: 1,
    shard: 3,
    partitions: 16,
    clock: 'log',
    foldVersion: 1,
    definitionsHash: 'plan',
    settings: DEFAULT_FOLD_SETTINGS,
    applied,
    readThrough: applied,
    shardTimeMs: 1_770_000_000_000,
    logTimeMs: 1_770_000_000_001,
    fingerprint: 'f',
    logCreated: 'a',
    changesCreated: 'b',
    epoch: 1,
    commitStreamSequence: applied,
    commitPosition: { sequence: applied, ordinal: -1 },
    changeCount: applied,
    changeDigest: 7,
    profiles,
    revisions: [{ revision: 2, sequence: 5, timeMs: 1_770_000_000_000 }],
    datasetDeletes: [{ dataset: 'shop', sequence: 4, timeMs: 1_770_000_000_000 }],
    eraseMarks: [{ sequence: 3, changeCount: 2, changeDigest: -1, version: 1 }],
    erasures: 1,
    sweptTo: applied % 2 === 0 ? null : 'customerId.a',
    generation: 1,
    generationFrom: 0,
    endedBy: null,
  };
}
