// Arms of the window benches, in a process of their own. Prints one JSON line for each.
//   fold: `Fold.apply` over a memory store, on messages that are ready · part: a part's insert, advance and values alone
//   naive: the list of (time, value), all of it looked at again at every event · naiveFloat: the same with a sum of doubles, which is not exact
import { attributeValue } from '../src/aggregate/attribute_value.ts';
import { addDecimal, readDecimal } from '../src/aggregate/decimal_sum.ts';
import { IdentityState } from '../src/aggregate/identity_state.ts';
import { advance, insertValue } from '../src/aggregate/part.ts';
import type { Plan } from '../src/aggregate/plan.ts';
import { fnv1a32 } from '../src/base/fnv1a.ts';
import { FoldRun, LogWriter, planWith } from '../test/unit/shard/fold_run.ts';
import { checkValues, CUSTOMER_KEY, EXACT, START_MS, WindowEvents, type Valued, type Values } from './window_events.ts';
import type { WindowArm } from './windows.ts';

const BATCH = 2_000;
const CACHE_BYTES = 1024 ** 3;
const FUNCTIONS = ['sum', 'count', 'min', 'max'] as const;

/** Applies a batch; the second reads what there is at the end. */
type Runner = { readonly batch: (count: number) => Timed; readonly values: () => Values };
type Timed = { readonly ms: number; readonly cpuMicros: number };

/** Sum, count, min and max over the whole window; or sums over as many windows as asked for, of which the longest is the whole. */
function planOf(arm: WindowArm, windowMs: number): Plan {
  const sliding = (ms: number): { sliding: string } => ({ sliding: `${Math.max(1, ms)}ms` });
  const about = (name: (typeof FUNCTIONS)[number], ms: number): Parameters<typeof planWith>[0][string] => ({
    function: name,
    eventTypes: ['buy'],
    window: sliding(ms),
    ...(name === 'count' ? {} : { value: 'event.price' }),
  });
  if (arm.sums === undefined) return planWith(Object.fromEntries(FUNCTIONS.map((name) => [name, about(name, windowMs)])));
  const { sums } = arm;
  const part = (i: number): number => Math.floor((windowMs * (i + 1)) / sums);
  return planWith(Object.fromEntries(Array.from({ length: sums }, (_, i) => [`sum${i}`, about('sum', part(i))])));
}

function timed(work: () => void): Timed {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  work();
  const ms = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpuMicros: user + system };
}

function foldRunner(events: WindowEvents, plan: Plan): Runner {
  const run = new FoldRun(plan, CACHE_BYTES);
  const log = new LogWriter();
  run.apply(log.definitions(plan, START_MS, EXACT));
  return {
    batch(count) {
      const messages = events.messages(log, count);
      const took = timed(() => {
        for (let i = 0; i < messages.length; i++) run.fold.apply(messages[i]!);
      });
      run.cache.evict(); // as a shard does at the end of a slice
      return took;
    },
    values: () => run.view(CUSTOMER_KEY)!.computed,
  };
}

/** Only what the room `aggregate` does. */
function partRunner(events: WindowEvents, plan: Plan): Runner {
  const state = new IdentityState(CUSTOMER_KEY);
  const { attributes, measures } = plan;
  const values = new Array<unknown>(attributes.length);
  let sequence = 0;
  const apply = ({ nowMs, atMs, price }: Valued): void => {
    const arrival = { atMs, sequence: ++sequence, nowMs, exactEvents: EXACT.exactEvents };
    for (const measure of measures) {
      const part = state.partFor(measure, 0);
      advance(part, measure, state.evaluatedMs, nowMs);
      insertValue(part, measure, measure.hasValue ? price : undefined, arrival);
    }
    state.evaluatedMs = nowMs;
    for (let i = 0; i < attributes.length; i++) values[i] = attributeValue(state, attributes[i]!);
  };
  return {
    batch: (count) => applied(events, count, apply),
    values: () => Object.fromEntries(attributes.map(({ name, index }) => [name, { value: values[index] }])),
  };
}

function applied(events: WindowEvents, count: number, apply: (valued: Valued) => void): Timed {
  const batch = Array.from({ length: count }, () => events.next());
  return timed(() => {
    for (let i = 0; i < batch.length; i++) apply(batch[i]!);
  });
}

/** In order only. `exact`: with the decimal sum that the product promises; without it the sum has the error of doubles. */
function naiveRunner(events: WindowEvents, exact: boolean): Runner {
  const list: { readonly atMs: number; readonly value: number }[] = [];
  const { windowMs } = events;
  const decimal = [0, 0];
  const is = { sum: 0, count: 0, min: 0, max: 0 };
  const apply = ({ nowMs, atMs, price }: Valued): void => {
    list.push({ atMs, value: price });
    let left = 0;
    while (list[left]!.atMs < nowMs - windowMs) left++;
    if (left > 0) list.splice(0, left);
    decimal[0] = decimal[1] = 0;
    let [sum, count, min, max] = [0, 0, Infinity, -Infinity]; // variables of its own: those of the closure would be boxed
    for (let i = 0; i < list.length; i++) {
      const { value } = list[i]!;
      if (exact) addDecimal(decimal, 0, value, 1);
      else sum += value;
      count++;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    is.sum = exact ? readDecimal(decimal[0], decimal[1]) : sum;
    is.count = count;
    is.min = min;
    is.max = max;
  };
  return {
    batch: (size) => applied(events, size, apply),
    values: () => ({
      sum: { value: exact ? is.sum : Math.round(is.sum * 100) / 100 },
      count: { value: is.count },
      min: { value: is.min },
      max: { value: is.max },
    }),
  };
}

function runnerOf({ kind }: WindowArm, events: WindowEvents, plan: Plan): Runner {
  if (kind === 'fold') return foldRunner(events, plan);
  return kind === 'part' ? partRunner(events, plan) : naiveRunner(events, kind === 'naive');
}

function run(arm: WindowArm): Record<string, number> {
  const events = new WindowEvents(arm);
  const plan = planOf(arm, events.windowMs);
  const runner = runnerOf(arm, events, plan);
  for (let left = arm.warm; left > 0; left -= BATCH) runner.batch(Math.min(left, BATCH));
  checkValues(`${arm.name}, warm`, runner.values(), events.expected(plan));
  let [ms, cpuMicros] = [0, 0];
  for (let left = arm.events; left > 0; left -= BATCH) {
    const took = runner.batch(Math.min(left, BATCH));
    ms += took.ms;
    cpuMicros += took.cpuMicros;
  }
  const values = runner.values();
  checkValues(arm.name, values, events.expected(plan));
  return {
    events: arm.events,
    seconds: ms / 1000,
    cpuSeconds: cpuMicros / 1e6,
    rssBytes: process.memoryUsage.rss(),
    hash: fnv1a32(JSON.stringify(Object.entries(values).map(([name, { value }]) => [name, value]))),
  };
}

for (const arm of JSON.parse(process.argv[2]!) as readonly WindowArm[]) console.log(JSON.stringify(run(arm)));
