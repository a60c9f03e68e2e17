// One random log of events, records, deletes and erasures, from end to end: what the fold shows after each message equals brute force, under
// every merge policy; the change events rebuild it; through encode → decode → continue and through kill and replay.
// Boundary: runs outside of vitest too, for the soak.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { seededRandom } from '../../src/base/random.ts';
import { DEFAULT_FOLD_SETTINGS, encodeControl, type FoldSettings } from '../../src/message/control.ts';
import { erasedKey, identityKey, parseIdentityKey, type IdentityKey } from '../../src/message/identity.ts';
import type { LogMessage } from '../../src/message/log_message.ts';
import { ShardOracle } from '../../src/oracle/brute_force.ts';
import { ChainChecker, type ChainEvent } from '../../src/oracle/chain.ts';
import { compareProfile } from '../../src/oracle/compare.ts';
import { jsonEqual } from '../../src/oracle/json_equal.ts';
import { RecordWriter } from '../../src/oracle/generate_records.ts';
import { visibleValues } from '../../src/oracle/visible_values.ts';
import type { ErasureSource } from '../../src/ports/erasures.ts';
import type { EraseMark } from '../../src/ports/profile_store.ts';
import { ALL_CHANGES } from '../../src/ports/profile_store.ts';
import { CommitBuilder } from '../../src/shard/commit_builder.ts';
import { CommitEncoder } from '../../src/shard/commit_encoder.ts';
import type { Change, Effects } from '../../src/shard/effects.ts';
import { FoldRun, LogWriter, ROOT } from '../unit/shard/fold_run.ts';
import { EVENT_DATASETS, PLANS, RECORD_DATASETS } from './records_plans.ts';

const START = Date.UTC(2026, 0, 1);
const H = 3_600_000;
const WAITS = [0, 0, 0, 1, 1, 2, 5, 10, 11, 500, 600, 1000, 1001, H] as const;
/** So many keys that a sweep does not come to all of them at once. */
const CROWD = 300;

const recordsCase = fc.record({
  seed: fc.nat(),
  length: fc.integer({ min: 1, max: 70 }),
  clock: fc.constantFrom('log' as const, 'log' as const, 'event' as const),
  profiles: fc.integer({ min: 1, max: 3 }),
  crowded: fc.constantFrom(...Array.from({ length: 47 }, () => false), true),
  few: fc.boolean(),
  /** In one of so many messages a commit goes out. */
  commitEvery: fc.constantFrom(1, 1, 2, 7),
  cacheMaxBytes: fc.constantFrom(0, Infinity),
  storedAfter: fc.nat(70),
  killedAfter: fc.nat(70),
  restarts: fc.boolean(),
});
/** `erases`: identities are erased, too. */
type RecordsCase = (typeof recordsCase extends fc.Arbitrary<infer C> ? C : never) & { readonly erases: boolean };

/** What a run met, to see that it was worth running. */
type Met = {
  messages: number;
  changes: number;
  created: number;
  deleted: number;
  again: number;
  refused: number;
  duplicates: number;
  stale: number;
  dead: number;
  records: number;
  unswept: number;
  erased: number;
};

function nothingMet(): Met {
  return {
    messages: 0,
    changes: 0,
    created: 0,
    deleted: 0,
    again: 0,
    refused: 0,
    duplicates: 0,
    stale: 0,
    dead: 0,
    records: 0,
    unswept: 0,
    erased: 0,
  };
}

type Checked = { readonly runs: number; readonly seed: number; readonly met: Met; readonly problem: string | null };

/** So many cases. `problem`: the first that failed, shrunk, and why. */
export async function checkRecords(of: {
  readonly runs: number;
  readonly seed?: number | undefined;
  readonly erases: boolean;
}): Promise<Checked> {
  const { runs, seed, erases } = of;
  const met = nothingMet();
  const details = await fc.check(
    fc.asyncProperty(recordsCase, (case_) => expectRight({ ...case_, erases }, met)),
    { numRuns: runs, ...(seed === undefined ? {} : { seed }) },
  );
  const problem = details.failed ? `${fc.defaultReportMessage(details)!}\n${(details.errorInstance as Error).stack}` : null;
  return { runs: details.numRuns, seed: details.seed, met, problem };
}

const IDS = ['ada@example.com', 'é', 'a~b c'] as const;

function keysOf({ profiles, crowded }: RecordsCase): IdentityKey[] {
  const ids: string[] = IDS.slice(0, profiles);
  if (crowded) for (let n = 0; n < CROWD; n++) ids.push(`c-${n}`);
  return ids.map((id) => identityKey({ namespace: 'customerId', id }));
}

/** A keyed hash that anyone can work out. */
const hashOf = (key: IdentityKey): string => Buffer.from(key).toString('hex').padEnd(64, '0').slice(0, 64);

/** A prefix of a longer log of the same case: so it shrinks. */
function logOf(case_: RecordsCase): LogMessage[] {
  const { seed, few } = case_;
  const log = new LogWriter();
  const random = seededRandom(seed + 1);
  const keys = keysOf(case_);
  const writer = new RecordWriter({
    seed,
    keys: keys.slice(0, 3),
    recordDatasets: RECORD_DATASETS,
    eventDatasets: EVENT_DATASETS,
    recordShare: 0.5,
    profileDeleteShare: 0.06,
    datasetDeleteShare: 0.06,
    brokenShare: 0.08,
    maxLateMs: 2 * H,
  });
  const settings: FoldSettings = few
    ? { ...DEFAULT_FOLD_SETTINGS, dedupeIds: 3, dedupeHorizonMs: 1000, recordBytes: 400 }
    : DEFAULT_FOLD_SETTINGS;
  let now = START;
  log.definitions(PLANS[0]!, now, settings);
  if (case_.crowded) for (const key of keys) crowd(log, key, now, random.below(3));
  let plan = 0;
  for (let n = 0; n < case_.length; n++) {
    now += WAITS[random.below(WAITS.length)]!;
    const kind = random.below(24);
    const who = keys[random.below(Math.min(3, keys.length))]!;
    const erases = random.below(2) === 0;
    if (kind === 0) log.tick(now, now);
    else if (kind === 1)
      log.tick(now - 5); // the server's stamp went back: time does not
    else if (kind === 2) log.definitions(PLANS[plan]!, now, { ...settings, dedupeIds: settings.dedupeIds + 1 });
    else if (kind === 3 && random.below(4) === 0) log.definitions(PLANS[(plan = 1)]!, now, settings);
    else if (kind === 4) log.control(random.below(2) === 0 ? { kind: 'cut', id: 'x' } : { kind: 'hole', timeMs: now }, now);
    else if (kind === 5 && erases && case_.erases) log.control({ kind: 'erase', hash: hashOf(who) }, now);
    else {
      const { tail, body, headers } = writer.next(now);
      const message = { ...log.put(tail, body, now), headers: headers === null ? null : () => headers };
      log.messages[log.messages.length - 1] = message;
    }
  }
  return log.messages;
}

function crowd(log: LogWriter, key: IdentityKey, now: number, kind: number): void {
  const { id } = parseIdentityKey(key);
  if (kind === 0) log.write(id, { tier: 'gold' }, now);
  else if (kind === 1) log.event(id, { _id: 'e', timestamp: new Date(now).toISOString(), price: 1 }, now);
  else log.write(id, '', now, { operation: 'delete' });
}

/** Knows every identity of the case. */
function erasuresOf(
  keys: readonly IdentityKey[],
  run: () => FoldRun,
  recordedAt: ErasureSource['recordedAt'] = () => undefined,
): ErasureSource {
  return {
    hashOf,
    keyOf: (hash) => keys.find((key) => hashOf(key) === hash && run().cache.get(key, run().plan) !== undefined),
    recordedAt,
    hasHoles: false,
    resolve: () => Promise.resolve(),
  };
}

function runOf(case_: RecordsCase, cacheMaxBytes: number, recordedAt?: ErasureSource['recordedAt']): FoldRun {
  const run = new FoldRun(PLANS[0]!, cacheMaxBytes, case_.clock, PLANS.slice(1));
  run.erasures = erasuresOf(keysOf(case_), () => run, recordedAt);
  run.restart();
  return run;
}

async function expectRight(case_: RecordsCase, met: Met): Promise<void> {
  const log = logOf(case_);
  const run = runOf(case_, case_.cacheMaxBytes);
  const stream = new Stream(case_);
  const planOf = (hash: string) => PLANS.find((plan) => plan.hash === hash)!;
  const oracle = new ShardOracle({ root: ROOT, shard: 0, partitions: 1, clock: case_.clock, planOf, hashOf });
  const seen: unknown[] = [];
  let killed = false;
  for (let i = 0; i < log.length; i++) {
    const message = log[i]!;
    const effects = run.apply(message);
    if (i < seen.length) {
      assert.deepEqual(visible(effects), seen[i]); // a replay
      continue;
    }
    seen.push(structuredClone(visible(effects))); // a commit takes over a change's arrays
    oracle.feed(message);
    stream.add(effects, message, run);
    expectSame(run, oracle, { case_, message, effects, met });
    if (i % (case_.crowded ? 16 : case_.commitEvery) === 0) stream.expectSame(viewsOf(run, case_, oracle));
    if (i === case_.storedAfter) {
      await run.checkpoint();
      if (case_.restarts) run.restart();
    }
    if (i === case_.killedAfter && !killed) {
      killed = true;
      run.restart();
      i = run.fold.applied - 1;
    }
  }
  met.messages += log.length;
  met.duplicates += oracle.duplicates;
  met.stale += oracle.counts.stale;
  met.dead += oracle.counts.dead;
  met.records += oracle.counts.records;
  stream.expectSame(viewsOf(run, case_, oracle));
  await expectSameFromStart(run, case_, log);
  if (case_.erases && !case_.crowded) expectSameWithoutErased(case_, log);
}

type Visible = Pick<Effects, 'changes' | 'appends' | 'cut'> & { readonly dead: readonly string[] };

function visible({ changes, deadLetters, appends, cut }: Effects): Visible {
  return { changes, dead: deadLetters.map(({ reason }) => reason), appends, cut };
}

type Looked = { readonly case_: RecordsCase; readonly message: LogMessage; readonly effects: Effects; readonly met: Met };

function expectSame(run: FoldRun, oracle: ShardOracle, { case_, message, effects, met }: Looked): void {
  const { sequence } = message;
  const refused = oracle.refused.get(sequence);
  assert.deepEqual(
    [sequence, ...effects.deadLetters.map(({ reason }) => reason)],
    refused === undefined ? [sequence] : [sequence, refused],
  );
  assert.equal(run.fold.profiles, oracle.countedAt(), `the count of profiles at ${sequence}`);
  const there = new Set(oracle.keys());
  // a crowd is looked at now and then
  const keys = sequence % 16 === 0 ? keysOf(case_) : keysOf(case_).slice(0, IDS.length);
  for (const key of keys) {
    const view = run.view(key);
    assert.equal(view !== undefined, there.has(key), `is ${key} there at ${sequence}`);
    const differences = view === undefined ? [] : compareProfile(view, oracle);
    if (differences.length > 0) assert.deepEqual({ sequence, differences }, {});
    for (const policy of ['crmFirst', 'webOnly']) {
      const mine = run.view(key, policy)?.attributes;
      const right = oracle.attributesAt(key, sequence, policy);
      if (!jsonEqual(mine, right)) assert.deepEqual({ sequence, policy, mine }, { sequence, policy, mine: right });
    }
    if (!oracle.isCleared(key)) met.unswept++;
  }
  if (refused !== undefined) met.refused++;
  met.changes += effects.changes.length;
  for (const change of effects.changes) {
    const { existed, exists, previousVersion, key } = change;
    if (exists) expectSaid(change, oracle, run);
    if (!existed && exists) met.created++;
    if (!existed && exists && previousVersion > 0) met.again++;
    if (existed && !exists) met.deleted++;
    if (key.startsWith(erasedKey(''))) met.erased++;
  }
}

/** What a change says is now is what brute force says. */
function expectSaid({ key, sequence, timeMs, attributes, after, leaves }: Change, oracle: ShardOracle, { plan }: FoldRun): void {
  if (!oracle.isCleared(key)) return;
  const right = visibleValues(oracle, key, { timeMs, sequence })!;
  const said = [...(leaves ?? [])].map((leaf): [string, unknown] => [leaf.path, leaf.after]);
  attributes.forEach((index, i) => said.push([plan.attributes[index]!.path, after[i]]));
  for (const [path, value] of said)
    if (!jsonEqual(value, right.get(path))) assert.deepEqual([sequence, path, value], [sequence, path, right.get(path)]);
}

/** Those of which the change events have said everything: what a deleted dataset said goes out with the sweep. */
function viewsOf(run: FoldRun, case_: RecordsCase, oracle: ShardOracle): NonNullable<ReturnType<FoldRun['view']>>[] | null {
  if (!keysOf(case_).every((key) => oracle.isCleared(key))) return null;
  return keysOf(case_).flatMap((key) => run.view(key) ?? []);
}

/** The change stream: commits of several messages each, and the consumer that proves it has all. */
class Stream {
  private readonly chain: ChainChecker;
  private readonly encoder = new CommitEncoder({ root: ROOT, logStream: 'L', shard: 0, generation: 1, repeatedThrough: 0 });
  private readonly builder: CommitBuilder;
  private readonly alone: boolean;

  constructor({ commitEvery, erases }: RecordsCase) {
    this.chain = new ChainChecker(erases ? { hashOf } : {});
    this.alone = commitEvery === 1;
    const start = { sequence: 0, ordinal: ALL_CHANGES, message: null, count: 0, digest: 0, plan: null, foldVersion: 3 };
    this.builder = new CommitBuilder({ sourceLength: this.encoder.source.length, start });
  }

  add({ changes }: Effects, message: LogMessage, { fold }: FoldRun): void {
    this.builder.add(changes, 0, message, fold.plan, fold.foldVersion);
    if (this.alone) this.commit();
  }

  private commit(): void {
    for (let commit = this.builder.take(); commit !== undefined; commit = this.builder.take())
      for (const event of JSON.parse(this.encoder.encode(commit).toString()) as ChainEvent[]) this.chain.feed(event);
  }

  /** @param views null: not everything has been said */
  expectSame(views: NonNullable<ReturnType<FoldRun['view']>>[] | null): void {
    this.commit();
    assert.deepEqual(this.chain.problems, []);
    if (views !== null) assert.deepEqual(this.chain.checkAgainstExport(views), []);
  }
}

/** Another fold, that was never stored before the end, ends with the same bytes. */
async function expectSameFromStart(run: FoldRun, case_: RecordsCase, log: readonly LogMessage[]): Promise<void> {
  const calm = runOf(case_, Infinity);
  log.forEach((message, i) => {
    calm.fold.recorder.silent = i < log.length >> 1;
    calm.apply(message);
  });
  const end = ({ fold }: FoldRun) => [fold.recorder.count, fold.recorder.digest, fold.profiles, fold.applied, fold.shardTimeMs];
  assert.deepEqual(end(run), end(calm));
  for (const key of keysOf(case_)) assert.deepEqual(run.view(key), calm.view(key));
  // who comes again right after an erasure goes on counting chunks where the store has some to remove
  if (case_.erases) return;
  const stored: unknown[] = [];
  for (const each of [run, calm]) {
    await each.checkpoint();
    const { heads, chunks, due } = each.disk;
    const hex = (of: ReadonlyMap<string, Buffer>): unknown =>
      [...of].map(([key, bytes]) => `${key} ${bytes.toString('hex')}`).sort();
    stored.push([hex(heads), hex(chunks), [...due.keys()].sort()]);
  }
  assert.deepEqual(stored[0], stored[1]);
}

/** A log without the messages of those who were erased, with holes where they were, says the same from the last erasure on. */
function expectSameWithoutErased(case_: RecordsCase, log: readonly LogMessage[]): void {
  const recorded = new Map<number, Omit<EraseMark, 'sequence'>>();
  const movedToMs = new Map<number, number>();
  const erasedBy = new Map<string, number>();
  const whole = runOf(case_, Infinity);
  const said = log.map((message) => {
    const { sequence, subject, body } = message;
    const beforeMs = whole.fold.shardTimeMs;
    const effects = structuredClone(visible(whole.apply(message)));
    const { shardTimeMs, deletions } = whole.fold;
    movedToMs.set(sequence, shardTimeMs > beforeMs ? shardTimeMs : 0);
    if (!subject.endsWith('.ctl.erase')) return effects;
    const { hash } = JSON.parse(new TextDecoder().decode(body)) as { readonly hash: string };
    erasedBy.set(hash, sequence);
    recorded.set(
      sequence,
      deletions.marks.find((mark) => mark.sequence === sequence)!,
    );
    return effects;
  });
  if (erasedBy.size === 0) return;
  const last = Math.max(...erasedBy.values());
  const holes = runOf(case_, Infinity, (sequence) => recorded.get(sequence));
  for (const [i, message] of log.entries()) {
    const { sequence, stampMs, subject } = message;
    const key = /\.in\.[^.]+\.(.*)$/.exec(subject)?.[1];
    const isGone = key !== undefined && (erasedBy.get(hashOf(key)) ?? 0) > sequence;
    const body = encodeControl({ kind: 'hole', timeMs: movedToMs.get(sequence)! });
    const hole = { sequence, stampMs, subject: `${ROOT}.log.0.ctl.hole`, body, headers: null };
    const effects = visible(holes.apply(isGone ? hole : message));
    if (sequence > last) assert.deepEqual([sequence, effects], [sequence, said[i]!]);
  }
  for (const key of keysOf(case_)) assert.deepEqual(holes.view(key), whole.view(key));
}
