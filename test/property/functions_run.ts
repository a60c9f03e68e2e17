// One case of functions_log.ts, from end to end: every function × window equals brute force at every instant, through encode → decode →
// continue, through kill and replay, through any split of parts.
import { expect } from 'vitest';
import { allValues } from '../../src/aggregate/attribute_value.ts';
import { IdentityState } from '../../src/aggregate/identity_state.ts';
import type { Plan } from '../../src/aggregate/plan.ts';
import { fnv1a32 } from '../../src/base/fnv1a.ts';
import type { LogMessage } from '../../src/message/log_message.ts';
import { ShardOracle } from '../../src/oracle/brute_force.ts';
import { compareProfile } from '../../src/oracle/compare.ts';
import type { Effects } from '../../src/shard/effects.ts';
import { FoldRun, ROOT } from '../unit/shard/fold_run.ts';
import { ChangeConsumer } from './change_consumer.ts';
import { asMade, logOf, plansOf, type functionsCase, type Spread } from './functions_log.ts';

const LOG_MAX = 120;

type Case = typeof functionsCase extends import('fast-check').Arbitrary<infer C> ? C : never;

/** What a run met, to see that it was worth running. */
export type Met = { messages: number; tiled: number; sampled: number; changes: number; revised: number };

export async function expectRight(case_: Case, met: Met): Promise<void> {
  const { choice } = case_;
  const plans = plansOf(choice);
  const log = logOf(case_, plans, asMade);
  const run = new FoldRun(plans[0]!, choice.cacheMaxBytes, 'log', plans.slice(1));
  const oracle = new ShardOracle({
    root: ROOT,
    shard: 0,
    partitions: 1,
    planOf: (hash) => plans.find((plan) => plan.hash === hash)!,
  });
  const consumer = new ChangeConsumer(() => plans.at(-1)!);
  const seen: unknown[] = [];
  let killed = false;
  for (let i = 0; i < log.length; i++) {
    const message = log[i]!;
    const effects = run.apply(message);
    if (i < seen.length) {
      expect(visible(effects)).toEqual(seen[i]); // a replay
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
  expect([run.fold.counters.events, run.fold.counters.duplicates].every((n) => n >= 0)).toBe(true);
  await expectSameFromStart(run, log, plans);
  if (!choice.few) expectSameHoweverSpread(case_, run, plans);
}

function visible({ changes, deadLetters, appends, cut }: Effects): unknown {
  return { changes, dead: deadLetters.map(({ reason }) => reason), appends, cut };
}

type Looked = { readonly message: LogMessage; readonly consumer: ChangeConsumer; readonly met: Met };

function expectAllRight(run: FoldRun, oracle: ShardOracle, { message, consumer, met }: Looked): void {
  const keys = oracle.keys();
  if (run.fold.profiles !== keys.length) expect(run.fold.profiles).toBe(keys.length);
  for (const key of keys) {
    const view = run.view(key)!;
    const differences = compareProfile(view, oracle);
    if (differences.length > 0)
      expect({ sequence: message.sequence, differences }).toEqual({ sequence: message.sequence, differences: [] });
    consumer.expectSame(key, view);
    for (const { precision } of Object.values(view.computed)) {
      if (precision?.mode === 'tiled') met.tiled++;
      else if (precision?.mode === 'sampled') met.sampled++;
    }
  }
}

/** Another fold, that was never stored before the end, ends with the same bytes. */
async function expectSameFromStart(run: FoldRun, log: readonly LogMessage[], plans: readonly Plan[]): Promise<void> {
  const calm = new FoldRun(plans[0]!, Infinity, 'log', plans.slice(1));
  log.forEach((message, i) => {
    calm.fold.recorder.silent = i < log.length >> 1;
    calm.apply(message);
  });
  const end = ({ fold }: FoldRun) => [fold.recorder.count, fold.recorder.digest, fold.profiles, fold.applied, fold.shardTimeMs];
  expect(end(run)).toEqual(end(calm));
  const stored: unknown[] = [];
  for (const each of [run, calm]) {
    await each.checkpoint();
    const { heads, chunks, due } = each.disk;
    const hex = (of: ReadonlyMap<string, Buffer>): unknown =>
      [...of].map(([key, bytes]) => `${key} ${bytes.toString('hex')}`).sort();
    stored.push([hex(heads), hex(chunks), [...due.keys()].sort()]);
  }
  expect(stored[0]).toEqual(stored[1]);
}

/** AV1, and that taking a dataset's parts out is exact. */
function expectSameHoweverSpread(case_: Case, run: FoldRun, plans: readonly Plan[]): void {
  const others: readonly Spread[] = [
    (dataset, id) => (dataset === 'audit' ? dataset : fnv1a32(id) % 2 === 0 ? 'orders' : 'returns'),
    (dataset) => (dataset === 'audit' ? dataset : 'returns'),
  ];
  for (const spread of others) {
    const other = foldOf(logOf(case_, plans, spread), plans);
    for (const key of keysOf(case_)) expect(other.view(key)?.computed).toEqual(run.view(key)?.computed);
  }
  if (case_.choice.dedupeIds < LOG_MAX) return; // without some events other ids would be remembered
  const without = foldOf(
    logOf(case_, plans, (dataset) => (dataset === 'returns' ? null : dataset)),
    plans,
  );
  const returns = run.plan.datasets.indexOf('returns');
  for (const key of keysOf(case_)) {
    const state = run.cache.get(key, run.plan);
    if (state === undefined) continue;
    const parts = state.parts.filter(({ dataset }) => dataset !== returns);
    expect(valuesOf({ key, parts }, run)).toEqual(valuesOf(without.cache.get(key, run.plan) ?? { key, parts: [] }, run));
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

function foldOf(log: readonly LogMessage[], plans: readonly Plan[]): FoldRun {
  const run = new FoldRun(plans[0]!, Infinity, 'log', plans.slice(1));
  for (const message of log) run.apply(message);
  return run;
}

function keysOf({ choice }: Case): string[] {
  return Array.from({ length: choice.profiles }, (_, who) => `customerId.c-${who}`);
}
