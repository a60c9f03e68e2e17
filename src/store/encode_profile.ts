// A profile to records. EP1: what is returned shares nothing with the state: it is the profile as of the call.
// EP2: of a long list only the chunks that changed since they were last encoded are encoded again.
// EP3: encoding a profile says that the store will have it: its chunks count as stored, its due as indexed.
//      When the checkpoint fails instead, the state must be thrown away.
import { assert } from '../base/assert.ts';
import type { Chunk, ChunkList } from '../aggregate/chunk_list.ts';
import type { Extremes } from '../aggregate/extremes.ts';
import type { Keepers } from '../aggregate/keepers.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import type { Part } from '../aggregate/part.ts';
import type { Plan } from '../aggregate/plan.ts';
import { Fragment } from '../record/fragment.ts';
import { TILE, type Tiles } from '../aggregate/tiles.ts';
import { NUMBER_MAX_BYTES, VARINT_MAX_BYTES } from './byte_layout.ts';
import { ByteWriter } from './byte_writer.ts';
import * as layout from './records.ts';
import { chunkKey, INLINE_ROWS, namesOf, partList, RECORD_FORMAT, ringList, SEEN_LIST } from './records.ts';
import type { ChunkKey, ChunkRecord, PlanNames, ProfileRecords } from './records.ts';

const PART_BYTES = 16 + 4 * VARINT_MAX_BYTES;
const NO_CHUNKS: readonly ChunkRecord[] = [];
const NO_KEYS: readonly ChunkKey[] = [];
const NO_HEAD = Buffer.alloc(0);

const head = new ByteWriter();
const rows = new ByteWriter();
let chunks: ChunkRecord[] | null = null;
let chunkBytes = 0;
let removed: ChunkKey[] | null = null;

export function encodeProfile(state: IdentityState, plan: Plan): ProfileRecords {
  const names = namesOf(plan);
  chunks = null;
  chunkBytes = 0;
  removed = null;
  if (state.dropped !== null) removeDropped(state, state.dropped, names);
  const bytes = state.removed ? NO_HEAD : writeHead(state, names);
  if (state.removed) removeList(state.seen, state.key, SEEN_LIST);
  const dueBeforeMs = state.storedDueMs;
  state.storedDueMs = state.dueMs;
  return {
    key: state.key,
    bytes: bytes.length + state.key.length + chunkBytes,
    head: bytes,
    chunks: chunks ?? NO_CHUNKS,
    removed: removed ?? NO_KEYS,
    dueBeforeMs,
    dueMs: state.dueMs,
  };
}

function writeHead(state: IdentityState, names: PlanNames): Buffer {
  head.at = 0;
  head.reserve(2 * PART_BYTES);
  const { tombstone, fragments } = state;
  const hasDue = state.dueMs !== Infinity;
  state.seen.compact();
  const hasSeen = state.seen.nextId > 1;
  const isLater = state.revision > 1;
  const hasDatasets = !partsTell(state);
  head.byte(RECORD_FORMAT);
  head.byte(
    (hasDue ? layout.HEAD_DUE : 0) |
      (hasSeen ? layout.HEAD_SEEN : 0) |
      (isLater ? layout.HEAD_REVISION : 0) |
      (fragments.length > 0 ? layout.HEAD_FRAGMENTS : 0) |
      (hasDatasets ? layout.HEAD_EVENT_DATASETS : 0) |
      (tombstone !== null ? layout.HEAD_TOMBSTONE : 0) |
      (state.clearedTo > 0 ? layout.HEAD_CLEARED : 0) |
      (state.visible ? 0 : layout.HEAD_INVISIBLE),
  );
  if (isLater) head.uint(state.revision);
  head.uint(state.version);
  head.int(state.evaluatedMs);
  if (hasDue) head.int(state.dueMs - state.evaluatedMs);
  if (hasSeen) writeList(state.seen, state.key, SEEN_LIST, state.evaluatedMs);
  head.reserve(PART_BYTES);
  if (tombstone !== null) {
    head.uint(tombstone.sequence);
    head.int(tombstone.timeMs);
  }
  if (state.clearedTo > 0) head.uint(state.clearedTo);
  if (hasDatasets) {
    head.reserve((1 + state.eventDatasets.length) * VARINT_MAX_BYTES);
    head.uint(state.eventDatasets.length);
    for (const dataset of state.eventDatasets) head.u32(names.datasetHashes[dataset]!);
  }
  if (fragments.length > 0) {
    head.reserve(VARINT_MAX_BYTES);
    head.uint(fragments.length);
    for (const fragment of fragments) writeFragment(fragment, state, names.datasetHashes[fragment.dataset]!);
  }
  head.reserve(VARINT_MAX_BYTES);
  head.uint(state.parts.length);
  for (const part of state.parts) writePart(part, state, names);
  return head.take();
}

/** Are the datasets whose events counted just those that have parts? */
function partsTell({ parts, eventDatasets }: IdentityState): boolean {
  if (eventDatasets.length === 1) {
    for (let i = 0; i < parts.length; i++) if (parts[i]!.dataset !== eventDatasets[0]) return false;
    return parts.length > 0;
  }
  for (const { dataset } of parts) if (!eventDatasets.includes(dataset)) return false;
  for (const dataset of eventDatasets) if (!parts.some((part) => part.dataset === dataset)) return false;
  return true;
}

function writeFragment(fragment: Fragment, state: IdentityState, datasetHash: number): void {
  const { text } = fragment;
  const isApart = text !== null && text.length > layout.FRAGMENT_INLINE_MAX;
  head.reserve(PART_BYTES + 3 * layout.FRAGMENT_INLINE_MAX);
  head.u32(datasetHash);
  head.byte(text === null ? 0 : isApart ? layout.FRAGMENT_APART : layout.FRAGMENT_INLINE);
  head.int(state.evaluatedMs - fragment.lastUpdatedMs);
  head.uint(fragment.sequence);
  if (text !== null && !isApart) head.text(text, 'utf8');
  const key = layout.fragmentKey(state.key, datasetHash);
  if (isApart && !fragment.stored) {
    const bytes = textRecord(text);
    (chunks ??= []).push({ key, bytes });
    chunkBytes += key.length + bytes.length;
  } else if (!isApart && fragment.hasRecord) {
    (removed ??= []).push(key);
  }
  fragment.stored = isApart;
  fragment.hasRecord = isApart;
}

/** Most texts are ASCII: a byte a character, and no look at each. */
function textRecord(text: string): Buffer {
  const size = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(2 + size);
  bytes[0] = RECORD_FORMAT;
  bytes[1] = size === text.length ? layout.TEXT_ASCII : layout.TEXT_UTF8;
  bytes.write(text, 2, size === text.length ? 'latin1' : 'utf8');
  return bytes;
}

/** What was dropped since the state was last encoded takes its records with it. A part that was made anew under the same name puts its own
 *  records after they were removed. */
function removeDropped(state: IdentityState, dropped: NonNullable<IdentityState['dropped']>, names: PlanNames): void {
  for (const item of dropped) {
    const datasetHash = names.datasetHashes[item.dataset]!;
    if (item instanceof Fragment) {
      if (item.hasRecord) (removed ??= []).push(layout.fragmentKey(state.key, datasetHash));
      continue;
    }
    const measureId = names.plan.measures[item.measure]!.id;
    const { ring, extremes, keepers } = item;
    removeList(ring, state.key, ringList(measureId, datasetHash));
    removeList(extremes?.low ?? null, state.key, partList(measureId, datasetHash, 'low'));
    removeList(extremes?.high ?? null, state.key, partList(measureId, datasetHash, 'high'));
    removeList(keepers?.earliest ?? null, state.key, partList(measureId, datasetHash, 'earliest'));
    removeList(keepers?.list ?? null, state.key, partList(measureId, datasetHash, 'list'));
    removeList(keepers?.distinct ?? null, state.key, partList(measureId, datasetHash, 'distinct'));
  }
  state.dropped = null;
}

function removeList(list: ChunkList | null, key: string, name: string): void {
  if (list === null) return;
  for (const id of list.removed) (removed ??= []).push(chunkKey(key, name, id));
  list.removedAreGone();
  for (const { id, stored } of list.chunks) if (stored) (removed ??= []).push(chunkKey(key, name, id));
}

function writePart(part: Part, state: IdentityState, names: PlanNames): void {
  const { acc, ring, wide } = part;
  const measureId = names.plan.measures[part.measure]!.id;
  const datasetHash = names.datasetHashes[part.dataset]!;
  const hasRing = ring !== null && ring.nextId > 1;
  const extremes = part.extremes === null ? 0 : extremesFlags(part.extremes);
  const hasRecent = part.recentValue !== undefined;
  const hasDue = part.dueMs !== Infinity;
  head.reserve(PART_BYTES + acc.length * VARINT_MAX_BYTES);
  head.u32(measureId);
  head.u32(datasetHash);
  head.byte(
    (hasRing ? layout.PART_RING : 0) |
      (wide !== null ? layout.PART_WIDE : 0) |
      (hasRecent ? layout.PART_RECENT : 0) |
      (hasDue ? layout.PART_DUE : 0) |
      (extremes !== 0 ? layout.PART_EXTREMES : 0) |
      (part.tiles !== null ? layout.PART_TILES : 0) |
      (part.keepers !== null ? layout.PART_KEEPERS : 0),
  );
  head.uint(acc.length);
  for (let i = 0; i < acc.length; i++) head.int(acc[i]!);
  if (hasDue) head.int(part.dueMs - state.evaluatedMs);
  if (hasRecent) {
    head.int(state.evaluatedMs - part.recentMs);
    head.uint(part.recentSequence);
    writeValue(head, part.recentValue);
  }
  if (wide !== null) {
    head.reserve(VARINT_MAX_BYTES);
    head.uint(wide.size);
    for (const [slot, sum] of wide) {
      head.reserve(VARINT_MAX_BYTES);
      head.uint(slot);
      head.ascii(String(sum));
    }
  }
  if (hasRing) writeList(ring, state.key, ringList(measureId, datasetHash), state.evaluatedMs);
  if (extremes !== 0) writeExtremes(part.extremes!, extremes, state, { measureId, datasetHash });
  if (part.tiles !== null) writeTiles(part.tiles, state.evaluatedMs);
  if (part.keepers !== null) writeKeepers(part.keepers, state, { measureId, datasetHash });
}

/** How the lists of a part are named. */
type ListNames = { readonly measureId: number; readonly datasetHash: number };

function writeExtremes(extremes: Extremes, flags: number, state: IdentityState, { measureId, datasetHash }: ListNames): void {
  const { low, high, lifetimeLow, lifetimeHigh } = extremes;
  head.reserve(1 + 2 * NUMBER_MAX_BYTES);
  head.byte(flags);
  if ((flags & layout.EXTREMES_LIFETIME_LOW) !== 0) head.number(lifetimeLow);
  if ((flags & layout.EXTREMES_LIFETIME_HIGH) !== 0) head.number(lifetimeHigh);
  if ((flags & layout.EXTREMES_LOW) !== 0) writeList(low!, state.key, partList(measureId, datasetHash, 'low'), state.evaluatedMs);
  if ((flags & layout.EXTREMES_HIGH) !== 0)
    writeList(high!, state.key, partList(measureId, datasetHash, 'high'), state.evaluatedMs);
  if ((flags & layout.EXTREMES_SPANS_LOW) !== 0) writeSpans(low!.spans!, state.evaluatedMs);
  if ((flags & layout.EXTREMES_SPANS_HIGH) !== 0) writeSpans(high!.spans!, state.evaluatedMs);
}

function writeSpans(spans: ReadonlyMap<number, number>, baseMs: number): void {
  head.reserve((1 + 2 * spans.size) * VARINT_MAX_BYTES);
  head.uint(spans.size);
  for (const [timeMs, firstMs] of spans) {
    head.int(baseMs - timeMs);
    head.uint(timeMs - firstMs);
  }
}

function writeTiles(tiles: Tiles, baseMs: number): void {
  const { data, wide, count } = tiles;
  head.reserve((1 + count) * TILE * VARINT_MAX_BYTES);
  head.uint(count * 2 + (wide === null ? 0 : 1));
  for (let i = 0; i < data.length; i += TILE) {
    head.int(baseMs - data[i]!);
    head.uint(data[i + 1]! - data[i]!);
    head.uint(data[i + 2]!);
    head.int(data[i + 3]!);
    head.int(data[i + 4]!);
  }
  for (const sum of wide ?? []) head.ascii(String(sum));
}

function writeKeepers(keepers: Keepers, state: IdentityState, { measureId, datasetHash }: ListNames): void {
  const { earliest, list, distinct, firstValue } = keepers;
  head.reserve(1 + 3 * VARINT_MAX_BYTES);
  head.byte(
    (earliest === null ? 0 : layout.KEEPERS_EARLIEST) |
      (list === null ? 0 : layout.KEEPERS_LIST) |
      (distinct === null ? 0 : layout.KEEPERS_DISTINCT) |
      (firstValue === undefined ? 0 : layout.KEEPERS_FIRST) |
      (distinct !== null && distinct.level > 0 && !distinct.unkeptStays ? layout.KEEPERS_UNKEPT_LEAVES : 0),
  );
  if (firstValue !== undefined) {
    head.int(state.evaluatedMs - keepers.firstMs);
    head.uint(keepers.firstSequence);
    writeValue(head, firstValue);
  }
  if (earliest !== null) writeList(earliest, state.key, partList(measureId, datasetHash, 'earliest'), state.evaluatedMs);
  if (list !== null) writeList(list, state.key, partList(measureId, datasetHash, 'list'), state.evaluatedMs);
  if (distinct === null) return;
  head.reserve(2 * VARINT_MAX_BYTES);
  head.uint(distinct.level);
  if (distinct.level > 0) head.int(state.evaluatedMs - distinct.unkeptMs);
  writeList(distinct, state.key, partList(measureId, datasetHash, 'distinct'), state.evaluatedMs);
}

/** A staircase that ever had a row is written even when it is empty: its chunk ids must not be used again. */
function extremesFlags({ low, high, lifetimeLow, lifetimeHigh }: Extremes): number {
  return (
    (low !== null && low.nextId > 1 ? layout.EXTREMES_LOW : 0) |
    (high !== null && high.nextId > 1 ? layout.EXTREMES_HIGH : 0) |
    (Number.isNaN(lifetimeLow) ? 0 : layout.EXTREMES_LIFETIME_LOW) |
    (Number.isNaN(lifetimeHigh) ? 0 : layout.EXTREMES_LIFETIME_HIGH) |
    (low === null || low.spans === null ? 0 : layout.EXTREMES_SPANS_LOW) |
    (high === null || high.spans === null ? 0 : layout.EXTREMES_SPANS_HIGH)
  );
}

function writeValue(out: ByteWriter, value: unknown): void {
  out.reserve(1 + NUMBER_MAX_BYTES);
  if (typeof value === 'number') {
    out.byte(layout.VALUE_NUMBER);
    out.number(value);
  } else if (typeof value === 'string') {
    out.byte(layout.VALUE_ASCII);
    if (out.ascii(value)) return;
    const wellFormed = value.isWellFormed();
    out.bytes[out.at - 1] = wellFormed ? layout.VALUE_UTF8 : layout.VALUE_UTF16;
    out.text(value, wellFormed ? 'utf8' : 'utf16le');
  } else if (typeof value === 'boolean') {
    out.byte(value ? layout.VALUE_TRUE : layout.VALUE_FALSE);
  } else {
    assert(Array.isArray(value), 'a latest value is a primitive or an array of them');
    out.byte(layout.VALUE_ARRAY);
    out.uint(value.length);
    for (const item of value) writeValue(out, item);
  }
}

/** Writes a list into the head, or a list of its chunks, which become records of their own. */
function writeList(list: ChunkList, key: string, name: string, baseMs: number): void {
  const first = list.chunks[0];
  head.reserve((2 + list.chunks.length) * VARINT_MAX_BYTES);
  head.uint(list.nextId);
  for (const id of list.removed) (removed ??= []).push(chunkKey(key, name, id));
  list.removedAreGone();
  const inline = list.chunks.length <= 1 && list.size <= INLINE_ROWS;
  head.uint(inline ? list.size * 2 : list.chunks.length * 2 + 1);
  if (inline) {
    if (first === undefined) return;
    head.uint(list.nextId - first.id);
    writeChunk(head, list, first, baseMs);
    if (first.stored) (removed ??= []).push(chunkKey(key, name, first.id));
    first.stored = false;
    first.dirty = false;
    return;
  }
  for (const chunk of list.chunks) {
    head.uint(list.nextId - chunk.id);
    if (!chunk.dirty && chunk.stored) continue;
    rows.at = 0;
    rows.reserve(1 + VARINT_MAX_BYTES);
    rows.byte(RECORD_FORMAT);
    const data = list.rowsOf(chunk);
    rows.uint(data.length / list.stride);
    writeChunk(rows, list, chunk, 0, data);
    const record = { key: chunkKey(key, name, chunk.id), bytes: rows.take() };
    (chunks ??= []).push(record);
    chunkBytes += record.key.length + record.bytes.length;
    chunk.dirty = false;
    chunk.stored = true;
  }
}

function writeChunk(out: ByteWriter, list: ChunkList, chunk: Chunk, baseMs: number, data = list.rowsOf(chunk)): void {
  if (chunk.values === null) writeRows(out, data, list.stride, baseMs);
  else writeValuedRows(out, data, list.stride, chunk.values, baseMs);
}

/** Rows of (time, sequence) or (last time, first time, sequence), each with its value. */
function writeValuedRows(
  out: ByteWriter,
  data: readonly number[],
  stride: number,
  values: readonly unknown[],
  baseMs: number,
): void {
  let previousMs = baseMs;
  for (let i = 0; i < data.length; i += stride) {
    out.reserve(stride * VARINT_MAX_BYTES);
    out.int(data[i]! - previousMs);
    previousMs = data[i]!;
    if (stride === 3) out.uint(data[i]! - data[i + 1]!);
    out.uint(data[i + stride - 1]!);
    out.reserve(1 + NUMBER_MAX_BYTES);
    writeValue(out, values[i / stride]);
  }
}

/** Rows with the first time relative to `baseMs`, every later one to the one before. Lists are in time order. */
function writeRows(out: ByteWriter, data: readonly number[], stride: number, baseMs: number): void {
  out.reserve((data.length / stride) * (8 + VARINT_MAX_BYTES + NUMBER_MAX_BYTES));
  const time = stride === 3 ? 2 : 0;
  let previousMs = data[time]!;
  out.int(baseMs - previousMs);
  for (let i = 0; i < data.length; i += stride) {
    const atMs = data[i + time]!;
    if (i > 0) out.uint(atMs - previousMs);
    previousMs = atMs;
    if (stride === 3) {
      out.u32(data[i]!);
      out.u32(data[i + 1]!);
    } else if (stride === 2) {
      out.number(data[i + 1]!);
    }
  }
}
