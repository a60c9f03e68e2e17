// Events, writes to records and deletes for tests and simulation: on time, late, exactly when something was deleted, again, and broken.
// GR1: what it writes is a function of the seed and of what it was asked before.
// GR2: few keys, few values and few instants: so that writes meet at one place and one time.
import { seededRandom, type Random } from '../base/random.ts';
import { formatTime, type EpochMs } from '../base/time.ts';
import { encodeControl } from '../message/control.ts';
import type { IdentityKey } from '../message/identity.ts';
import { PROFILE_TOKEN } from '../message/subject.ts';
import type { JsonValue } from './json_tree.ts';

/** Shares are of all messages; what is left are events, or writes to records where there are no event datasets. */
export type RecordTraffic = {
  readonly seed: number;
  readonly keys: readonly IdentityKey[];
  readonly recordDatasets: readonly string[];
  readonly eventDatasets: readonly string[];
  readonly recordShare: number;
  readonly profileDeleteShare: number;
  readonly datasetDeleteShare: number;
  readonly brokenShare: number;
  /** How far a time may lie behind the producer's clock. */
  readonly maxLateMs: number;
};

/** `tail`: the subject after `<root>.log.<shard>.`. */
export type WrittenMessage = {
  readonly tail: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>> | null;
};

const KEYS = ['a', 'b', 'c', 'a.b', 'constructor', '', 'é', '0'] as const;
const PRIMITIVES: readonly JsonValue[] = ['web', 'store', '', '\ud800 é', 0, 1, 9.99, -0, 1e300, true, false];
const TIERS = ['gold', 'silver'] as const;
const CHANNELS = ['web', 'store', 'app'] as const;
const IDS = 6;
const utf8 = new TextEncoder();

export class RecordWriter {
  private readonly traffic: RecordTraffic;
  private readonly random: Random;
  /** Times that somebody named lately: what comes next may be of the same instant. */
  private readonly named: EpochMs[] = [];
  private written = 0;

  constructor(traffic: RecordTraffic) {
    this.traffic = traffic;
    this.random = seededRandom(traffic.seed);
  }

  /** The next message of a producer, or of an administrator, whose clock says `nowMs`. */
  next(nowMs: EpochMs): WrittenMessage {
    const { traffic, random } = this;
    this.written++;
    let share = random.next();
    const isOne = (of: number): boolean => (share -= of) < 0;
    if (isOne(traffic.profileDeleteShare)) return this.profileDelete(nowMs);
    if (isOne(traffic.datasetDeleteShare)) return this.datasetDelete(nowMs);
    if (isOne(traffic.brokenShare)) return this.broken(nowMs);
    return traffic.eventDatasets.length === 0 || isOne(traffic.recordShare) ? this.record(nowMs) : this.event(nowMs);
  }

  private record(nowMs: EpochMs): WrittenMessage {
    const { random } = this;
    const operation = this.oneOf([undefined, 'create', 'merge', 'merge', 'merge', 'delete'] as const);
    const body = operation === 'delete' && random.below(2) === 0 ? {} : this.tree(2, operation === 'merge');
    if (random.below(3) === 0) body['tier'] = this.oneOf([...TIERS, null]);
    if (random.below(3) === 0) body['_id'] = `r-${random.below(IDS)}`;
    if (random.below(6) === 0) body['extSourceSystemAudit'] = this.audit(nowMs);
    const headers: Record<string, string> = operation === undefined ? {} : { 'Visage-Operation': operation };
    if (random.below(2) === 0) headers['Visage-Last-Updated'] = formatTime(this.timeMs(nowMs));
    return this.input(this.oneOf(this.traffic.recordDatasets), JSON.stringify(body), headers);
  }

  private audit(nowMs: EpochMs): JsonValue {
    const lastUpdatedDate = formatTime(this.timeMs(nowMs));
    return this.oneOf([
      { lastUpdatedDate },
      { lastUpdatedDate, createdBy: 'x' },
      { createdBy: 'y' },
      { lastUpdatedDate, createdBy: null },
    ]);
  }

  private event(nowMs: EpochMs): WrittenMessage {
    const { random } = this;
    const _id = random.below(4) === 0 ? `r-${random.below(IDS)}` : `e-${this.written}`;
    const timestamp = formatTime(this.timeMs(nowMs));
    const price = random.below(500) / 100;
    const event = { _id, timestamp, eventType: this.oneOf(['buy', 'view']), price, channel: this.oneOf(CHANNELS) };
    return this.input(this.oneOf(this.traffic.eventDatasets), JSON.stringify(event), null);
  }

  private profileDelete(nowMs: EpochMs): WrittenMessage {
    this.named.push(nowMs);
    return this.input(PROFILE_TOKEN, '', { 'Visage-Operation': 'delete' });
  }

  private datasetDelete(nowMs: EpochMs): WrittenMessage {
    this.named.push(nowMs);
    const { recordDatasets, eventDatasets } = this.traffic;
    const dataset = this.oneOf([...recordDatasets, ...eventDatasets, 'nosuchdataset']);
    return { tail: 'ctl.deleteDataset', body: encodeControl({ kind: 'deleteDataset', dataset }), headers: null };
  }

  /** Every kind of broken write and delete, made from what would have been a good one. */
  private broken(nowMs: EpochMs): WrittenMessage {
    const dataset = this.oneOf(this.traffic.recordDatasets);
    const good = this.tree(1, false);
    const merge = { 'Visage-Operation': 'merge' };
    const write = (body: object | string, headers: Readonly<Record<string, string>> = merge, to = dataset): WrittenMessage =>
      this.input(to, typeof body === 'string' ? body : JSON.stringify(body), headers);
    return this.oneOf([
      () => write('{'),
      () => write(''),
      () => write([good]),
      () => write(good, { 'Visage-Operation': 'upsert' }),
      () => write(good, { 'Visage-Last-Updated': 'yesterday' }),
      () => write(good, { 'Visage-Last-Updated': '2099-01-01T00:00:00Z' }),
      () => write({ ...good, extSourceSystemAudit: { lastUpdatedDate: 7 } }),
      () => write({ ...good, _id: '' }),
      () => write({ ...good, _id: 7 }),
      () => write('{"__proto__":{"a":1}}'),
      () => write({ $append: [1] }),
      () => write({ a: { $append: [1], b: 2 } }),
      () => write({ a: { b: { $remove: 'x' } } }),
      () => write({ identityMap: [] }),
      () => write(good, merge, 'nosuchdataset'),
      () => write('', {}, PROFILE_TOKEN),
      () => write('', { 'Visage-Operation': 'create', 'Visage-Last-Updated': formatTime(nowMs) }, PROFILE_TOKEN),
    ])();
  }

  /** Now, a little before or after, or when something else happened. */
  private timeMs(nowMs: EpochMs): EpochMs {
    const { random, named } = this;
    const ms = this.oneOf([
      () => nowMs,
      () => nowMs - this.oneOf([1, 2, 3]),
      () => nowMs - random.below(this.traffic.maxLateMs + 1),
      () => nowMs + random.below(50),
      () => (this.oneOf(named) ?? nowMs) + this.oneOf([-1, 0, 0, 1]),
    ])();
    named.push(ms);
    if (named.length > 8) named.shift();
    return ms;
  }

  private tree(depth: number, isPatch: boolean): Record<string, JsonValue> {
    const tree: Record<string, JsonValue> = {};
    for (let n = this.random.below(4); n > 0; n--) tree[this.oneOf(KEYS)] = this.value(depth, isPatch);
    return tree;
  }

  private value(depth: number, isPatch: boolean): JsonValue {
    const { random } = this;
    const kind = random.below(10);
    if (kind < 4 && depth > 0) return this.tree(depth - 1, isPatch);
    if (kind === 4) return null;
    if (kind === 5) return Array.from({ length: random.below(3) }, () => this.item());
    if (kind < 8 && (isPatch || random.below(8) === 0)) return this.arrayChange();
    return this.oneOf(PRIMITIVES);
  }

  private arrayChange(): JsonValue {
    const items = (): JsonValue[] => Array.from({ length: this.random.below(3) }, () => this.item());
    return this.oneOf([
      () => ({ $append: items() }),
      () => ({ $remove: items() }),
      () => ({ $append: items(), $remove: items() }),
    ])();
  }

  /** Of an array: there no patch goes, and `$append` is a key like any other. */
  private item(): JsonValue {
    return this.oneOf([...PRIMITIVES.slice(0, 6), null, [1], { a: 1, b: 2 }, { b: 2, a: 1 }, { $append: [1] }]);
  }

  private input(dataset: string, body: string, headers: WrittenMessage['headers']): WrittenMessage {
    return { tail: `in.${dataset}.${this.oneOf(this.traffic.keys)}`, body: utf8.encode(body), headers };
  }

  private oneOf<T>(values: readonly T[]): T {
    return values[this.random.below(values.length)]!;
  }
}
