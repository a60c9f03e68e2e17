// The demo, step by step. DS1: every number that is printed was measured in this run.
import { formatTime } from '../base/time.ts';
import { generateEvents } from '../oracle/generate.ts';
import { sabotage } from '../worker/sabotage.ts';
import type { ChangeEvent } from './change_event.ts';
import { Feed } from './demo_feed.ts';
import { prove, untilApplied, type Proof } from './demo_proof.ts';
import { recordIsDeleted, recordsDisagree } from './demo_records.ts';
import type { DemoRoot } from './demo_root.ts';
import { ChangeWatch, type Arrival } from './demo_watch.ts';

const ADA = { namespace: 'customerId', id: 'ada' } as const;
const SPEND = 'spend30s';
const QUIET = 'wentQuiet';
const EVENTS_SPAN_MS = 10_000;
const CHANGE_TIMEOUT_MS = 10_000;
const LEAVES_TIMEOUT_MS = 15_000;
const APPLIED_TIMEOUT_MS = 30_000;
const CHECKPOINT_TIMEOUT_MS = 5_000;

export type StoryOptions = { readonly events: number; readonly sabotage: boolean; readonly say: (line: string) => void };

export type Summary = {
  events: number;
  applied: number;
  /** Writes to records that were applied. */
  records: number;
  deadLettered: number;
  changeEvents: number;
  profiles: number;
  eventsPerSecond: number;
  verified: boolean;
  lost: number;
  repeated: number;
  latenessMs: number | null;
};

type Stage = StoryOptions & {
  readonly root: DemoRoot;
  readonly feed: Feed;
  readonly watch: ChangeWatch;
  readonly failures: string[];
};

export async function tellStory(root: DemoRoot, options: StoryOptions): Promise<Summary> {
  const watch = new ChangeWatch(root.client);
  const stage: Stage = { ...options, root, feed: await Feed.open(root.client), watch, failures: [] };
  try {
    return await story(stage);
  } finally {
    await watch.stop();
  }
}

async function story(stage: Stage): Promise<Summary> {
  const { feed, say } = stage;
  const order = await anOrder(stage);
  const nowMs = Date.now();
  await recordsDisagree(stage, ADA, nowMs);
  await recordIsDeleted(stage, nowMs);
  const eventsPerSecond = await eventsAndAKill(stage);
  const first = await proof(stage);
  if (first !== undefined)
    say(
      `   ${first.applied} of ${feed.published} published events applied, ${first.lost} lost, ${first.repeated} repeated: ` +
        `${first.report.events} counted, ${first.report.duplicates} known already, ${first.deadLettered} refused; ` +
        `${first.report.chains.events} change events, ${first.report.chains.problemCount} breaks in their chains`,
    );
  const latenessMs = await theOrderLeaves(stage, order);
  const last = await proof(stage);
  if (last !== undefined) {
    const { report } = last;
    say(
      `7  verification: ${report.compared} profiles recomputed from ${report.events + report.records + report.duplicates + report.dead + report.refused} messages of the log by brute force, ` +
        `now and while the windows were full: ${report.differenceCount + (first?.report.differenceCount ?? 0)} differences (${report.tookMs} ms)`,
    );
    for (const { profile, path, exported, expected } of [...(first?.report.differences ?? []), ...report.differences].slice(0, 3))
      say(`   ${profile} ${path}: is ${JSON.stringify(exported)}, should be ${JSON.stringify(expected)}`);
  }
  for (const failure of stage.failures) say(`   ✗ ${failure}`);
  return {
    events: feed.published,
    applied: last?.applied ?? 0,
    records: last?.records ?? 0,
    deadLettered: last?.deadLettered ?? 0,
    changeEvents: last?.report.chains.events ?? stage.watch.events,
    profiles: last?.report.profiles ?? 0,
    eventsPerSecond,
    verified: stage.failures.length === 0 && first?.holds === true && last?.holds === true,
    lost: last?.lost ?? 0,
    repeated: last?.repeated ?? 0,
    latenessMs,
  };
}

/** When ada's order is due to leave its window, and the change event that says so, whenever it comes. */
type Order = { readonly dueMs: number; readonly left: Promise<Arrival | undefined> };

/** Step 2. @returns undefined when it failed */
async function anOrder({ feed, root, watch, say, failures }: Stage): Promise<Order | undefined> {
  const body = orderOf('ada-1', Date.now());
  const changed = watch.next((event) => changeOf(event) !== undefined, CHANGE_TIMEOUT_MS);
  const { sequence, shard } = await feed.send({ ...ADA, dataset: 'orders', body, valid: true, duplicate: false });
  const acknowledgedMs = performance.now();
  const arrival = await changed;
  if (arrival === undefined) {
    failures.push('no change event came for the order');
    return undefined;
  }
  const { before, after } = changeOf(arrival.event)!;
  say(
    `2  ada orders for 25.00 (shard ${shard}, sequence ${sequence}): ${SPEND} ${shown(before)} → ${shown(after)}, ` +
      `${(arrival.monotonicMs - acknowledgedMs).toFixed(1)} ms after the log had the order`,
  );
  const view = await root.client.profile({ ...ADA, after: sequence });
  const leaves = view?.computed[SPEND]?.nextChangeAt;
  if (leaves === undefined) {
    failures.push(`the profile does not say when ${SPEND} changes next`);
    return undefined;
  }
  say(`   it leaves the window of 30 s at ${leaves}`);
  const dueMs = Date.parse(leaves);
  const expired = (event: ChangeEvent): boolean =>
    changeOf(event) !== undefined && event.data.cause?.some((cause) => cause.kind === 'expiry') === true;
  return { dueMs, left: watch.next(expired, dueMs - Date.now() + LEAVES_TIMEOUT_MS) };
}

/** Steps 4 and 5. @returns events applied per second, the kill and the restart included */
async function eventsAndAKill(stage: Stage): Promise<number> {
  const { feed, root, say, failures } = stage;
  const total = stage.events - feed.published;
  if (stage.sabotage) await untilCheckpoint(root);
  const events = generateEvents({
    seed: 1,
    events: total,
    profiles: Math.max(50, Math.round(total / 10)),
    zipfS: 1,
    startMs: Date.now() - EVENTS_SPAN_MS,
    spanMs: EVENTS_SPAN_MS,
    outOfOrderShare: 0.2,
    maxLateMs: EVENTS_SPAN_MS,
    duplicateShare: 0.02,
    invalidShare: 0.01,
  });
  const startMs = performance.now();
  let acknowledged = 0;
  const halfWay = Promise.withResolvers<void>();
  const sending = feed.sendAll(events, () => {
    if (++acknowledged === Math.ceil(total / 2)) halfWay.resolve();
  });
  await Promise.race([halfWay.promise, sending]);
  say(`4  ${acknowledged} of ${total} events published, out of order, some twice, some broken: ${rate(acknowledged, startMs)}/s`);
  const { pid } = root.worker;
  const killedAt = acknowledged;
  const killedMs = performance.now();
  await root.worker.kill();
  say(`5  kill -9 of the worker (process ${pid}) in mid-stream, at event ${killedAt}; the log goes on taking them`);
  if (stage.sabotage) await damage(root, say, failures);
  await root.restartWorker();
  say(`   a new worker (process ${root.worker.pid}) is ready ${Math.round(performance.now() - killedMs)} ms later`);
  await sending;
  const stuck = await untilApplied(root.client, feed, APPLIED_TIMEOUT_MS);
  if (stuck !== undefined) failures.push(stuck);
  const eventsPerSecond = rate(total, startMs);
  if (stuck === undefined) say(`   all ${total} events published and applied at ${eventsPerSecond}/s, kill and restart included`);
  return eventsPerSecond;
}

/** There must be something stored that can be damaged. */
async function untilCheckpoint({ client }: DemoRoot): Promise<void> {
  const deadline = performance.now() + CHECKPOINT_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const { shards } = await client.status();
    if (shards.some((shard) => Number((shard['checkpoint'] as { profiles?: number } | null)?.profiles ?? 0) > 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function damage(root: DemoRoot, say: Stage['say'], failures: string[]): Promise<void> {
  const live = await root.client.meta.liveDefinitions();
  const plan = await root.client.plan(live!);
  const shard = await sabotage(root.settings.dataDirectory, root.settings.partitions, plan);
  if (shard === undefined) failures.push('--sabotage found nothing stored to damage');
  else say(`   sabotage: one value in the LMDB of shard ${shard} was changed`);
}

/** Step 6. @returns how late a consumer heard of it */
async function theOrderLeaves({ say, failures }: Stage, order: Order | undefined): Promise<number | null> {
  if (order === undefined) return null;
  const { dueMs } = order;
  const waitMs = dueMs - Date.now();
  if (waitMs > 1_000) say(`   … ${Math.round(waitMs / 1000)} s until ada's order leaves its window; no event will come for her`);
  const arrival = await order.left;
  if (arrival === undefined) {
    failures.push('the order did not leave its window');
    return null;
  }
  const { before, after } = changeOf(arrival.event)!;
  const latenessMs = arrival.arrivedMs - dueMs;
  say(
    `6  ada's order has left the window: ${SPEND} ${shown(before)} → ${shown(after)}, due at ${formatTime(dueMs)}, ` +
      `changed ${Date.parse(arrival.event.time) - dueMs} ms and heard of ${latenessMs} ms after that`,
  );
  if (after !== 0) failures.push(`${SPEND} of ada is ${shown(after)} after her only order has left; it should be 0`);
  const { entered } = arrival.event.data.audiences;
  if (entered.includes(QUIET)) say(`   with it she enters the audience ${QUIET}`);
  else failures.push(`ada did not enter the audience ${QUIET} when her only order left`);
  return latenessMs;
}

async function proof(stage: Stage): Promise<Proof | undefined> {
  try {
    return await prove(stage.root.client, stage.feed);
  } catch (error) {
    stage.failures.push(`verification was not possible: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

export function orderOf(id: string, atMs: number): string {
  return `{"_id":"${id}","timestamp":"${formatTime(atMs)}","eventType":"commerce.purchases","commerce":{"order":{"priceTotal":25.00,"channel":"web"}}}`;
}

function changeOf(event: ChangeEvent): ChangeEvent['data']['changes'][number] | undefined {
  const { profile, changes } = event.data;
  if (profile.namespace !== ADA.namespace || profile.id !== ADA.id) return undefined;
  return changes.find((change) => change.path === `computed.${SPEND}`);
}

function shown(value: unknown): string {
  return typeof value === 'number' ? value.toFixed(2) : value === undefined ? 'absent' : JSON.stringify(value);
}

function rate(count: number, sinceMs: number): number {
  return Math.round(count / Math.max(0.001, (performance.now() - sinceMs) / 1000));
}
