// One case of functions_log.ts, from end to end: every function × window equals brute force at every instant, through encode → decode →
// continue, through kill and replay, through any split of parts. Boundary: runs outside of vitest too, for the soak.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { allValues } from '../../src/aggregate/attribute_value.ts';
import { IdentityState } from '../../src/aggregate/identity_state.ts';
import type { Plan } from '../../src/aggregate/plan.ts';
import { fnv1a32 } from '../../src/base/fnv1a.ts';
import type { ClockMode } from '../../src/message/control.ts';
import type { LogMessage } from '../../src/message/log_message.ts';
import { ShardOracle } from '../../src/oracle/brute_force.ts';
import { compareProfile } from '../../src/oracle/compare.ts';
import type { Effects } from '../../src/shard/effects.ts';
import { FoldRun, ROOT } from '../unit/shard/fold_run.ts';
import { ChangeConsumer } from './change_consumer.ts';
import { asMade, functionsCase, logOf, versionOf, type Case, type Spread } from './functions_log.ts';
import { plansOf } from './functions_plans.ts';

const LOG_MAX = 120;

/** What a run met, to see that it was worth running. */
export type Met = { messages: number; tiled: number; sampled: number; changes: number; revised: number };

export type Checked = { readonly runs: number; readonly seed: number; readonly met: Met; readonly problem: string | null };

/** So many cases from a seed. `problem`: the first that failed, shrunk, and why. */
export async function checkFunctions(runs: number, seed?: number): Promise<Checked> {
  const met: Met = { messages: 0, tiled: 0, sampled: 0, changes: 0, revised: 0 };
  const details = await fc.check(
    fc.asyncProperty(functionsCase, (case_) => expectRight(case_, met)),
    { numRuns: runs, ...(seed === undefined ? {} : { seed }) },
  );
  const problem = details.failed ? `${fc.defaultReportMessage(details)!}\n${(details.errorInstance as Error).stack}` : null;
  return { runs: details.numRuns, seed: details.seed, met, problem };
}

async function expectRight(case_: Case, met: Met): Promise<void> {
  const { choice } = case_;
  const plans = plansOf(choice);
  const log = logOf(case_, plans, asMade);
  const run = new FoldRun(plans[0]!, choice.cacheMaxBytes, choice.clock, plans.slice(1));
  const oracle = new ShardOracle({
    root: ROOT,
    shard: 0,
    partitions: 1,
    clock: choice.clock,
    planOf: (hash) => plans.find((plan) => plan.hash === hash)!,
  });
  const consumer = new ChangeConsumer(() => plans.at(-1)!);
  const seen: unknown[] = [];
  let killed = false;
  for (let i = 0; i < log.length; i++) {
    const message = log[i]!;
    const effects = run.apply(message);
    if (i < seen.length) {
      assert.deepEqual(visible(effects), seen[i]); // a replay
      continue;
    }
    seen.push(visible(effects));
    oracle.feed(message);
    for (const change of effects.changes) consumer.take(change);
    met.changes += effects.changes.length;
    expectAllRight(run, oracle, { message, consumer, met });
    if (i === choice.storedAfter) {
      await run.checkpoint();
      if (choice.restarts) run.restart();
    }
    if (i === choice.killedAfter && !killed) {
      killed = true;
      run.restart();
      i = run.fold.applied - 1;
    }
  }
  met.messages += log.length;
  met.revised += run.fold.revisions.length;
  await expectSameFromStart(run, log, plans);
  if (!choice.few) expectSameHoweverSpread(case_, run, plans);
}

function visible({ changes, deadLetters, appends, cut }: Effects): unknown {
  return { changes, dead: deadLetters.map(({ reason }) => reason), appends, cut };
}

type Looked = { readonly message: LogMessage; readonly consumer: ChangeConsumer; readonly met: Met };

function expectAllRight(run: FoldRun, oracle: ShardOracle, { message, consumer, met }: Looked): void {
  const keys = oracle.keys();
  assert.equal(run.fold.profiles, keys.length);
  for (const key of keys) {
    const view = run.view(key)!;
    const differences = compareProfile(view, oracle);
    if (differences.length > 0) assert.deepEqual({ sequence: message.sequence, differences }, {});
    consumer.expectSame(key, view);
    for (const { precision } of Object.values(view.computed)) {
      if (precision?.mode === 'tiled') met.tiled++;
      else if (precision?.mode === 'sampled') met.sampled++;
    }
  }
}

/** Another fold, that was never stored before the end, ends with the same bytes. */
async function expectSameFromStart(run: FoldRun, log: readonly LogMessage[], plans: readonly Plan[]): Promise<void> {
  const clock = run.clockMode;
  const calm = new FoldRun(plans[0]!, Infinity, clock, plans.slice(1));
  log.forEach((message, i) => {
    calm.fold.recorder.silent = i < log.length >> 1;
    calm.apply(message);
  });
  const end = ({ fold }: FoldRun) => [fold.recorder.count, fold.recorder.digest, fold.profiles, fold.applied, fold.shardTimeMs];
  assert.deepEqual(end(run), end(calm));
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

/** AV1, and that taking a dataset's parts out is exact. */
function expectSameHoweverSpread(case_: Case, run: FoldRun, plans: readonly Plan[]): void {
  const others: readonly Spread[] = [
    (dataset, id) => (dataset === 'audit' ? dataset : fnv1a32(id) % 2 === 0 ? 'orders' : 'returns'),
    (dataset) => (dataset === 'audit' ? dataset : 'returns'),
  ];
  for (const spread of others) {
    const other = foldOf(logOf(case_, plans, spread), plans, run.clockMode);
    for (const key of keysOf(case_)) assert.deepEqual(other.view(key)?.computed, run.view(key)?.computed);
  }
  if (case_.choice.dedupeIds < LOG_MAX) return; // without some events other ids would be remembered
  if (versionOf(case_.choice) > 2 && run.clockMode === 'event') return; // without events that were refused time would move otherwise
  const without = foldOf(
    logOf(case_, plans, (dataset) => (dataset === 'returns' ? null : dataset)),
    plans,
    run.clockMode,
  );
  const returns = run.plan.datasets.indexOf('returns');
  for (const key of keysOf(case_)) {
    const state = run.cache.get(key, run.plan);
    if (state === undefined) continue;
    const parts = state.parts.filter(({ dataset }) => dataset !== returns);
    const right = valuesOf(without.cache.get(key, run.plan) ?? { key, parts: [] }, run);
    assert.deepEqual(valuesOf({ key, parts }, run), right);
  }
}

/** Of a profile with these parts now. */
function valuesOf({ key, parts }: Pick<IdentityState, 'key' | 'parts'>, { plan, fold }: FoldRun): unknown[] {
  const state = new IdentityState(key);
  state.revision = plan.revision;
  state.evaluatedMs = fold.shardTimeMs;
  for (const part of parts) state.addPart(part);
  return allValues(state, plan);
}

function foldOf(log: readonly LogMessage[], plans: readonly Plan[], clock: ClockMode): FoldRun {
  const run = new FoldRun(plans[0]!, Infinity, clock, plans.slice(1));
  for (const message of log) run.apply(message);
  return run;
}

function keysOf({ choice }: Case): string[] {
  return Array.from({ length: choice.profiles }, (_, who) => `customerId.c-${who}`);
}
