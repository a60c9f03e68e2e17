// Profiles with full rings beside as many with empty ones, in a process of its own that can collect its garbage (--expose-gc).
// RB1: everything goes through the fold: what a ring is made of is not this file's business. No event id is remembered: not part of it.
// RB2: what code takes is left out, and what it makes once is there before anything is measured: as much is filled and thrown away first.
import { getHeapSpaceStatistics } from 'node:v8';
import { formatTime } from '../src/base/time.ts';
import { fnv1a32 } from '../src/base/fnv1a.ts';
import { seededRandom } from '../src/base/random.ts';
import { exactSum } from '../src/oracle/exact_sum.ts';
import { FoldRun, LogWriter, planWith } from '../test/unit/shard/fold_run.ts';
import type { RingShape } from './ring_bytes.ts';
import { checkValues, EXACT, START_MS } from './window_events.ts';

const DAY_MS = 86_400_000;
const CACHE_BYTES = 4 * 1024 ** 3;
const WARM_ROUNDS = 2;
const PLAN = planWith({ spend: { function: 'sum', value: 'event.price', eventTypes: ['buy'], window: { sliding: '30d' } } });

/** Objects and what hangs on them from outside (typed arrays, buffers), without garbage and without compiled code, which comes and goes. */
async function bytesInUse(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    global.gc!();
    await new Promise((resolve) => setImmediate(resolve)); // what was outside is given back a turn later
  }
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => !/code|trusted/.test(space_name));
  return spaces.reduce((sum, { space_used_size }) => sum + space_used_size, process.memoryUsage().external);
}

type Filled = { readonly run: FoldRun; readonly sums: readonly number[] };

/** `values` purchases of each customer within the last 30 days, at irregular times, prices with two decimals. */
function fill({ rings, values }: RingShape, seed: number): Filled {
  const random = seededRandom(seed);
  const run = new FoldRun(PLAN, CACHE_BYTES);
  const log = new LogWriter();
  run.apply(log.definitions(PLAN, START_MS, { ...EXACT, dedupeIds: 0 }));
  const slotMs = Math.floor((29 * DAY_MS) / values);
  const checked: number[][] = Array.from({ length: Math.min(rings, 3) }, () => []);
  for (let i = 0; i < values; i++) {
    const fromMs = START_MS + i * slotMs;
    for (let ring = 0; ring < rings; ring++) {
      log.messages.splice(0, log.messages.length - 1);
      const price = (random.below(50_000) + 1) / 100;
      checked[ring]?.push(price);
      const timestamp = formatTime(fromMs + random.below(slotMs));
      run.apply(
        log.event(`c-${ring}`, `{"_id":"e","timestamp":"${timestamp}","eventType":"buy","price":${price}}`, fromMs + slotMs),
      );
    }
  }
  return { run, sums: checked.map(exactSum) };
}

/** As many profiles, each of which had one value that has left. */
function fillEmpty({ rings }: RingShape, seed: number): Filled {
  const { run } = fill({ rings, values: 1 }, seed);
  const log = new LogWriter();
  log.messages.push({ sequence: run.fold.applied, stampMs: 0, subject: '', body: new Uint8Array(0), headers: null });
  for (let due = run.due.earliest(); due !== Infinity; due = run.due.earliest()) run.apply(log.tick(START_MS + 90 * DAY_MS));
  return { run, sums: new Array<number>(Math.min(rings, 3)).fill(0) };
}

function check(name: string, { run, sums }: Filled): void {
  sums.forEach((value, ring) => checkValues(name, run.view(`customerId.c-${ring}`)!.computed, { spend: { value } }));
}

async function measure(shape: RingShape, seed: number): Promise<void> {
  for (let i = 0; i < WARM_ROUNDS; i++) {
    fill(shape, seed);
    fillEmpty(shape, seed);
    await bytesInUse(); // collections forget code that was not run since a few of them
  }
  const before = await bytesInUse();
  const empty = fillEmpty(shape, seed);
  const between = await bytesInUse();
  const full = fill(shape, seed);
  const after = await bytesInUse();
  check('empty rings', empty);
  check('full rings', full);
  const bytes = after - between - (between - before);
  const perValue = bytes / (shape.rings * shape.values);
  console.log(JSON.stringify({ ...shape, bytes, emptyBytes: between - before, perValue, hash: fnv1a32(full.sums.join()) }));
}

await measure(JSON.parse(process.argv[2]!) as RingShape, Number(process.argv[3]));
