// Records to a profile. DP1: the state is what was encoded, and clean: no chunk is dirty, its due is the index's.
// DP2: a part of a measure or a dataset that the plan doesn't have, or with other windows, is refused, never dropped.
import { VisageError } from '../base/errors.ts';
import { zeros, type ChunkList } from '../aggregate/chunk_list.ts';
import { IdentityState } from '../aggregate/identity_state.ts';
import type { Keepers } from '../aggregate/keepers.ts';
import { Part } from '../aggregate/part.ts';
import type { Measure, Plan } from '../aggregate/plan.ts';
import type { Staircase } from '../aggregate/staircase.ts';
import { TILE, Tiles } from '../aggregate/tiles.ts';
import { ValuedRows } from '../aggregate/valued_rows.ts';
import type { IdentityKey } from '../message/identity.ts';
import { Fragment } from '../record/fragment.ts';
import { ByteReader, damaged } from './byte_reader.ts';
import * as layout from './records.ts';
import { chunkKey, namesOf, partList, RECORD_FORMAT, ringList, SEEN_LIST } from './records.ts';
import type { ChunkKey, PlanNames } from './records.ts';

/** The bytes of a chunk's record, valid until the next call, and how many of them count; -1: there is none. */
export interface ChunkSource {
  readonly bytes: Buffer;
  read(key: ChunkKey): number;
}

type LongList = { readonly list: ChunkList; readonly name: string; readonly ids: readonly number[] };

const DECIMAL = /^-?\d+$/;
const reader = new ByteReader();
let long: LongList[] = [];
let apart: { readonly fragment: Fragment; readonly datasetHash: number }[] = [];

/** @param head the first `size` bytes are the record; not kept
 *  @throws VisageError `store_damaged`, `unknown_measure` (both stop_shard) */
export function decodeProfile(key: IdentityKey, head: Buffer, size: number, plan: Plan, source: ChunkSource): IdentityState {
  const names = namesOf(plan);
  const state = new IdentityState(key);
  long = [];
  apart = [];
  reader.open(head, size);
  checkFormat(reader.byte());
  const flags = reader.byte();
  if ((flags & layout.HEAD_REVISION) !== 0) state.revision = reader.uint();
  state.version = reader.uint();
  const baseMs = (state.evaluatedMs = reader.int());
  if ((flags & layout.HEAD_DUE) !== 0) state.storedDueMs = state.dueMs = baseMs + reader.int();
  if ((flags & layout.HEAD_SEEN) !== 0) readList(state.seen, SEEN_LIST, baseMs);
  if ((flags & layout.HEAD_TOMBSTONE) !== 0) state.tombstone = { sequence: reader.uint(), timeMs: reader.int() };
  if ((flags & layout.HEAD_CLEARED) !== 0) state.clearedTo = reader.uint();
  state.visible = (flags & layout.HEAD_INVISIBLE) === 0;
  if ((flags & layout.HEAD_EVENT_DATASETS) !== 0)
    for (let n = reader.count(4); n > 0; n--) state.addEventDataset(readDataset(names));
  if ((flags & layout.HEAD_FRAGMENTS) !== 0)
    for (let n = reader.count(7); n > 0; n--) state.addFragment(readFragment(baseMs, names));
  const parts = reader.count(10);
  for (let i = 0; i < parts; i++) state.addPart(readPart(baseMs, names));
  if ((flags & layout.HEAD_EVENT_DATASETS) === 0) for (const { dataset } of state.parts) state.addEventDataset(dataset);
  reader.finish();
  // only now: the source may use the same memory for every record
  for (const pending of long) loadChunks(pending, key, source);
  for (const { fragment, datasetHash } of apart) loadText(fragment, layout.fragmentKey(key, datasetHash), source);
  state.seen.loaded();
  for (const part of state.parts) {
    const { windows, calendars } = plan.measures[part.measure]!;
    part.ring?.loaded(windows.length + calendars.length);
  }
  return state;
}

function checkFormat(format: number): void {
  if (format === RECORD_FORMAT) return;
  throw new VisageError(
    'store_format',
    `a stored profile has format ${format}; this release reads ${RECORD_FORMAT}: start the release that wrote it`,
    { kind: 'stop_shard' },
  );
}

function readDataset(names: PlanNames): number {
  const dataset = names.datasetOf.get(reader.u32());
  if (dataset === undefined) throw unknownMeasure('dataset');
  return dataset;
}

function readFragment(baseMs: number, names: PlanNames): Fragment {
  const dataset = readDataset(names);
  const kind = reader.byte();
  const fragment = new Fragment(dataset, baseMs - reader.int(), reader.uint(), null);
  if (kind === layout.FRAGMENT_INLINE) fragment.text = reader.text('utf8');
  else if (kind === layout.FRAGMENT_APART) apart.push({ fragment, datasetHash: names.datasetHashes[dataset]! });
  return fragment;
}

function loadText(fragment: Fragment, key: ChunkKey, source: ChunkSource): void {
  const size = source.read(key);
  if (size < 2) throw damaged();
  checkFormat(source.bytes[0]!);
  fragment.text = source.bytes.toString(source.bytes[1] === layout.TEXT_ASCII ? 'latin1' : 'utf8', 2, size);
  fragment.stored = true;
  fragment.hasRecord = true;
}

function readPart(baseMs: number, names: PlanNames): Part {
  const measureId = reader.u32();
  const datasetHash = reader.u32();
  const flags = reader.byte();
  const measure = names.measureOf.get(measureId);
  const dataset = names.datasetOf.get(datasetHash);
  if (measure === undefined || dataset === undefined) throw unknownMeasure(measure === undefined ? 'measure' : 'dataset');
  const part = new Part(measure, dataset);
  const acc = part.acc;
  if (reader.count(1) !== acc.length) throw unknownMeasure('set of windows');
  for (let i = 0; i < acc.length; i++) acc[i] = reader.int();
  if ((flags & layout.PART_DUE) !== 0) part.dueMs = baseMs + reader.int();
  if ((flags & layout.PART_RECENT) !== 0) {
    part.recentMs = baseMs - reader.int();
    part.recentSequence = reader.uint();
    part.recentValue = readValue();
  }
  if ((flags & layout.PART_WIDE) !== 0) {
    part.wide = new Map();
    for (let n = reader.count(2); n > 0; n--) {
      const slot = reader.uint();
      const sum = reader.text('latin1');
      if (!DECIMAL.test(sum)) throw damaged();
      part.wide.set(slot, BigInt(sum));
    }
  }
  if ((flags & layout.PART_RING) !== 0) {
    if (part.ring === null) throw unknownMeasure('set of windows');
    readList(part.ring, ringList(measureId, datasetHash), baseMs);
  }
  if ((flags & layout.PART_EXTREMES) !== 0) readExtremes(part, measure, datasetHash, baseMs);
  if ((flags & layout.PART_TILES) !== 0) part.tiles = readTiles(baseMs);
  if ((flags & layout.PART_KEEPERS) !== 0) {
    if (part.keepers === null) throw unknownMeasure('earliest, list or countDistinct');
    readKeepers(part.keepers, measure.id, datasetHash, baseMs);
  }
  return part;
}

function readExtremes({ extremes }: Part, measure: Measure, datasetHash: number, baseMs: number): void {
  const flags = reader.byte();
  if (extremes === null) throw unknownMeasure('min or max');
  if ((flags & layout.EXTREMES_LIFETIME_LOW) !== 0) {
    if (measure.low?.lifetime !== true) throw unknownMeasure('min');
    extremes.lifetimeLow = reader.number();
  }
  if ((flags & layout.EXTREMES_LIFETIME_HIGH) !== 0) {
    if (measure.high?.lifetime !== true) throw unknownMeasure('max');
    extremes.lifetimeHigh = reader.number();
  }
  if ((flags & layout.EXTREMES_LOW) !== 0) {
    if (extremes.low === null) throw unknownMeasure('min');
    readList(extremes.low, partList(measure.id, datasetHash, 'low'), baseMs);
  }
  if ((flags & layout.EXTREMES_HIGH) !== 0) {
    if (extremes.high === null) throw unknownMeasure('max');
    readList(extremes.high, partList(measure.id, datasetHash, 'high'), baseMs);
  }
  if ((flags & layout.EXTREMES_SPANS_LOW) !== 0) readSpans(extremes.low, baseMs);
  if ((flags & layout.EXTREMES_SPANS_HIGH) !== 0) readSpans(extremes.high, baseMs);
}

function readSpans(stairs: Staircase | null, baseMs: number): void {
  if (stairs === null) throw damaged();
  stairs.spans = new Map();
  for (let n = reader.count(2); n > 0; n--) {
    const timeMs = baseMs - reader.int();
    stairs.spans.set(timeMs, timeMs - reader.uint());
  }
}

function readTiles(baseMs: number): Tiles {
  const tiles = new Tiles();
  const shape = reader.uint();
  const count = Math.floor(shape / 2);
  for (let i = 0; i < count; i++) {
    const firstMs = baseMs - reader.int();
    tiles.data.push(firstMs, firstMs + reader.uint(), reader.uint(), reader.int(), reader.int());
  }
  if (shape % 2 === 0) return tiles;
  tiles.wide = [];
  for (let i = 0; i < tiles.data.length / TILE; i++) {
    const sum = reader.text('latin1');
    if (!DECIMAL.test(sum)) throw damaged();
    tiles.wide.push(BigInt(sum));
  }
  return tiles;
}

function readKeepers(keepers: Keepers, measureId: number, datasetHash: number, baseMs: number): void {
  const flags = reader.byte();
  if ((flags & layout.KEEPERS_FIRST) !== 0) {
    keepers.firstMs = baseMs - reader.int();
    keepers.firstSequence = reader.uint();
    keepers.firstValue = readValue();
  }
  if ((flags & layout.KEEPERS_EARLIEST) !== 0) {
    if (keepers.earliest === null) throw unknownMeasure('earliest');
    readList(keepers.earliest, partList(measureId, datasetHash, 'earliest'), baseMs);
  }
  if ((flags & layout.KEEPERS_LIST) !== 0) {
    if (keepers.list === null) throw unknownMeasure('list');
    readList(keepers.list, partList(measureId, datasetHash, 'list'), baseMs);
  }
  if ((flags & layout.KEEPERS_DISTINCT) === 0) return;
  if (keepers.distinct === null) throw unknownMeasure('countDistinct');
  keepers.distinct.level = reader.uint();
  if (keepers.distinct.level > 0) keepers.distinct.unkeptMs = baseMs - reader.int();
  keepers.distinct.unkeptStays = keepers.distinct.level > 0 && (flags & layout.KEEPERS_UNKEPT_LEAVES) === 0;
  readList(keepers.distinct, partList(measureId, datasetHash, 'distinct'), baseMs);
}

function unknownMeasure(what: string): VisageError {
  return new VisageError(
    'unknown_measure',
    `a stored profile has a ${what} that the definitions don't have: start with the definitions it was made with`,
    { kind: 'stop_shard' },
  );
}

function readValue(): unknown {
  const kind = reader.byte();
  switch (kind) {
    case layout.VALUE_NUMBER:
      return reader.number();
    case layout.VALUE_ASCII:
      return reader.text('latin1');
    case layout.VALUE_UTF8:
      return reader.text('utf8');
    case layout.VALUE_UTF16:
      return reader.text('utf16le');
    case layout.VALUE_FALSE:
      return false;
    case layout.VALUE_TRUE:
      return true;
    case layout.VALUE_ARRAY:
      return Array.from({ length: reader.count(1) }, readValue);
    default:
      throw damaged();
  }
}

function readList(list: ChunkList, name: string, baseMs: number): void {
  list.nextId = reader.uint();
  const shape = reader.uint();
  const count = Math.floor(shape / 2);
  if (shape % 2 === 1) {
    const ids: number[] = [];
    for (let i = 0; i < count; i++) ids.push(list.nextId - reader.uint());
    long.push({ list, name, ids });
  } else if (count > 0) {
    const id = list.nextId - reader.uint();
    readChunk(list, id, count, baseMs, false);
  }
}

function loadChunks({ list, name, ids }: LongList, key: IdentityKey, source: ChunkSource): void {
  for (const id of ids) {
    const size = source.read(chunkKey(key, name, id));
    if (size < 0) throw damaged();
    reader.open(source.bytes, size);
    checkFormat(reader.byte());
    const rows = reader.count(1);
    if (rows === 0) throw damaged();
    readChunk(list, id, rows, 0, true);
    reader.finish();
  }
}

function readChunk(list: ChunkList, id: number, rows: number, baseMs: number, stored: boolean): void {
  if (!(list instanceof ValuedRows)) return list.loadChunk(id, readRows(rows, list.stride, baseMs), stored);
  const data: number[] = [];
  const values: unknown[] = [];
  let atMs = baseMs;
  for (let i = 0; i < rows; i++) {
    atMs += reader.int();
    data.push(atMs);
    if (list.stride === 3) data.push(atMs - reader.uint());
    data.push(reader.uint());
    values.push(readValue());
  }
  list.loadChunk(id, data, stored, values);
}

function readRows(rows: number, stride: number, baseMs: number): number[] {
  const numbers = rows * stride;
  const data = zeros(numbers);
  let atMs = baseMs - reader.int();
  for (let i = 0; i < numbers; i += stride) {
    if (i > 0) atMs += reader.uint();
    if (stride === 3) {
      data[i] = reader.u32();
      data[i + 1] = reader.u32();
      data[i + 2] = atMs;
    } else {
      data[i] = atMs;
      if (stride === 2) data[i + 1] = reader.number();
    }
  }
  return data;
}
