// After the faults have stopped: the shard must come to rest in bounded time, and stand where the oracle does.
// RE1: nothing is stuck: within CALM_MS of virtual time it is active, has applied everything, and what was visible is committed.
// RE2: values leave on time: with no message at all, only by the shard's own ticks.
// RE3: what an orderly end stores is the same again.
import { errorText } from '../base/errors.ts';
import { parseRfc3339 } from '../base/time.ts';
import type { Life } from './life.ts';
import type { Swarm } from './swarm.ts';
import type { World } from './world.ts';

/** Many back-offs of the pump and the ticks, and a life that was starting. */
const CALM_MS = 60_000;
const LATE_MS_MAX = 6_000;
const LEAVES = 3;
const TRIES_MAX = 50;
const READ_MS = 10_000;

export async function rest(world: World, swarm: Swarm): Promise<void> {
  const { witness, scheduler } = world;
  world.calm();
  let views = await settled(world);
  for (let n = 0; n < LEAVES && views !== null; n++) views = await leave(world, swarm, views);
  if (views === null) return;
  world.drain();
  await scheduler.pass(CALM_MS, () => world.life === null || witness.finding !== null);
  if (world.life !== null) return witness.problem('stuck: an orderly stop did not end');
  await settled(world);
}

/** @returns false when it is stuck, which is a finding */
async function quiet(world: World): Promise<boolean> {
  const { scheduler, witness } = world;
  const isQuiet = (): boolean => {
    const { life } = world;
    if (life === null || !life.active || life.draining || witness.lettersOwed) return false;
    const { readThrough, changes, expiring, activating } = life.shard.status();
    return !expiring && !activating && readThrough >= world.log.lastForShard && world.sink.last?.header.changeCount === changes;
  };
  await scheduler.pass(CALM_MS, () => witness.finding !== null || isQuiet());
  if (witness.finding !== null) return false;
  if (isQuiet()) return true;
  const { life } = world;
  const status = life?.active === true ? JSON.stringify(life.shard.status()) : `life ${life?.number ?? 'none'} is not active`;
  witness.problem(`stuck: not at rest within ${CALM_MS} ms after the faults stopped: ${status}`);
  return false;
}

/** Comes to rest and compares everything; again when a tick came in between. @returns the profiles; null when something was wrong */
async function settled(world: World): Promise<readonly View[] | null> {
  for (let n = 0; n < TRIES_MAX; n++) {
    const views = (await quiet(world)) ? await compareAll(world) : null;
    if (world.witness.finding !== null) return null;
    if (views !== null) return views;
    await world.scheduler.pass(1);
  }
  world.witness.problem('stuck: ticks without end');
  return null;
}

/** @returns null when something came in between, or was wrong */
async function compareAll(world: World): Promise<readonly View[] | null> {
  const { witness, scheduler } = world;
  const life = world.life!;
  const sequence = world.log.lastForShard;
  let views: readonly View[] | undefined;
  // asked for in one turn: whatever comes in between would be another sequence
  readAll(life, witness.oracle.keys(), sequence).then(
    (all) => void (views = all),
    (error: unknown) => witness.problem(`a read failed: ${errorText(error)}`),
  );
  await scheduler.pass(0);
  if (world.log.lastForShard !== sequence) return null;
  if (views === undefined) {
    witness.problem(`stuck: the shard has ${sequence}, and does not answer reads after it`);
    return null;
  }
  witness.exported(views, sequence);
  witness.ended(views);
  const { profiles } = life.shard.status();
  if (profiles !== views.length) witness.problem(`the shard counts ${profiles} profiles, should be ${views.length}`);
  return views;
}

type View = NonNullable<Awaited<ReturnType<Life['shard']['reads']['get']>>>;

async function readAll(life: Life, keys: readonly string[], after: number): Promise<View[]> {
  const views = await Promise.all(keys.map((key) => life.shard.reads.get(key, after, READ_MS)));
  return views.filter((view) => view !== undefined);
}

/** Time goes on to where the next value leaves, and a little past it: the shard's own tick has to move it. */
async function leave(world: World, swarm: Swarm, views: readonly View[]): Promise<readonly View[] | null> {
  const { scheduler, witness, log } = world;
  const dueMs = nextDueMs(views);
  if (swarm.clockMode === 'event' || dueMs === Infinity) return views;
  const aheadMs = dueMs - log.nowMs;
  if (aheadMs > LATE_MS_MAX) scheduler.leap(aheadMs - 1);
  else if (aheadMs > 0) await scheduler.pass(aheadMs - 1);
  const { oracle } = witness;
  await scheduler.pass(LATE_MS_MAX + 3 * swarm.tickMs, () => witness.finding !== null || oracle.shardTimeMs >= dueMs);
  const { shardTimeMs } = oracle;
  if (shardTimeMs < dueMs)
    witness.problem(`values due at ${dueMs} have not left at ${log.nowMs}: the shard's time is ${shardTimeMs}`);
  return settled(world);
}

/** When the first value of any profile leaves, as the views say; that they are right has been seen. */
function nextDueMs(views: readonly View[]): number {
  let dueMs = Infinity;
  for (const { computed } of views)
    for (const { nextChangeAt } of Object.values(computed))
      if (nextChangeAt !== undefined) dueMs = Math.min(dueMs, parseRfc3339(nextChangeAt));
  return dueMs;
}
