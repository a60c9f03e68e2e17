// The load generator, in a process of its own: sends at a fixed rate and watches the change stream, so that one clock measures both.
// LC1: open loop: event i is due at start + i / rate, whatever the system does; its latency counts from then, waiting to be sent included.
// LC2: every event changes its profile, so it must come back as the cause of a change, exactly once.
import { seededRandom } from '../src/base/random.ts';
import { formatTime } from '../src/base/time.ts';
import { inputSubject, topologyOf } from '../src/message/subject.ts';
import { openConnection, PLAIN } from '../src/nats/connection.ts';
import { PartitionReader } from '../src/stream/partition_reader.ts';
import { streamState } from '../src/stream/shard_log.ts';
import { jetstreamManagerOf } from '../src/stream/streams.ts';
import { percentile, slope } from './figures.ts';
import type { LoadOrder, LoadResult } from './load.ts';

const SAMPLE_MS = 100;
/** Of what is overdue at once: the watcher must have its turns, or it would see everything late. */
const BURST_MAX = 500;
/** Lag is judged after this share of the time: before, it only fills the pipe. */
const SETTLING_SHARE = 0.2;
const COME_BACK_MS = 60_000;

type Change = { readonly data: { readonly cause?: readonly { readonly kind: string; readonly _id?: string }[] } };
type Sample = { readonly atMs: number; readonly due: number; readonly sent: number; readonly seen: number };

const [, , url, root] = process.argv as [string, string, string, string];
const nats = { ...PLAIN, servers: [url] };
const [publishing, reading] = [await openConnection(nats, 'bench load'), await openConnection(nats, 'bench watch')];
const topology = topologyOf(root);
const decoder = new TextDecoder();

/** What is under way. */
let order: LoadOrder | undefined;
let startMs = 0;
let sent = 0;
let seen = 0;
let repeated = 0;
let latencies = new Float64Array(0);
let lateness = new Float64Array(0);
let allSeen = Promise.withResolvers<void>();

const total = (of: LoadOrder): number => Math.round(of.rate * of.seconds);
const dueMs = (of: LoadOrder, i: number): number => startMs + (i * 1000) / of.rate;
const dueBy = (of: LoadOrder, nowMs: number): number => Math.min(total(of), Math.floor(((nowMs - startMs) * of.rate) / 1000) + 1);

async function run(given: LoadOrder): Promise<LoadResult> {
  const events = total(given);
  latencies = new Float64Array(events).fill(NaN);
  lateness = new Float64Array(events);
  sent = seen = repeated = 0;
  allSeen = Promise.withResolvers();
  startMs = performance.now() + 50;
  order = given;
  const samples: Sample[] = [];
  const sampling = setInterval(() => {
    const atMs = performance.now();
    if (atMs >= startMs && sent < events) samples.push({ atMs, due: dueBy(given, atMs), sent, seen });
  }, SAMPLE_MS);
  await send(given);
  clearInterval(sampling);
  const late = setTimeout(() => allSeen.resolve(), COME_BACK_MS);
  await allSeen.promise;
  clearTimeout(late);
  order = undefined;
  return resultOf(given, samples);
}

function send(given: LoadOrder): Promise<void> {
  const events = total(given);
  const random = seededRandom(given.seed);
  return new Promise((resolve) => {
    const step = (): void => {
      const nowMs = performance.now();
      const until = Math.min(dueBy(given, nowMs), sent + BURST_MAX);
      const timestamp = formatTime(Date.now());
      for (; sent < until; sent++) {
        const customer = given.inTurn === true ? sent % given.profiles : random.below(given.profiles);
        const id = `${given.customers}-${customer}`;
        const price = (random.below(50_000) + 1) / 100;
        // no acknowledgement: that it comes back as a change says more
        publishing.publish(
          inputSubject(root, 'orders', { namespace: 'customerId', id }),
          `{"_id":"${given.tag}-${sent}","timestamp":"${timestamp}","eventType":"commerce.purchases","commerce":{"order":{"priceTotal":${price},"channel":"web"}}}`,
        );
        lateness[sent] = nowMs - dueMs(given, sent);
      }
      if (sent === events) resolve();
      else if (dueBy(given, performance.now()) > sent) setImmediate(step);
      else setTimeout(step, 1);
    };
    setTimeout(step, startMs - performance.now());
  });
}

async function watch(reader: PartitionReader): Promise<never> {
  for (;;) {
    const batch = await reader.next();
    const nowMs = performance.now();
    if (batch === null) throw new Error('the change stream cannot be read');
    for (const message of batch.messages) {
      for (const { data } of JSON.parse(decoder.decode(message.body)) as Change[]) {
        for (const cause of data.cause ?? []) if (cause._id !== undefined) arrived(cause._id, nowMs);
      }
    }
    if (order !== undefined && seen === total(order)) allSeen.resolve();
  }
}

function arrived(id: string, nowMs: number): void {
  const dash = id.lastIndexOf('-');
  if (order === undefined || id.slice(0, dash) !== order.tag) return; // filled in before, or by an earlier order
  const i = Number(id.slice(dash + 1));
  if (!Number.isNaN(latencies[i])) {
    repeated++;
    return;
  }
  seen++;
  latencies[i] = nowMs - dueMs(order, i);
}

function resultOf(given: LoadOrder, samples: readonly Sample[]): LoadResult {
  const from = startMs + given.seconds * 1000 * SETTLING_SHARE;
  const judged = samples.filter(({ atMs }) => atMs >= from);
  const growth = (of: (sample: Sample) => number): number =>
    slope(judged.map((sample) => [(sample.atMs - startMs) / 1000, of(sample)])) / given.rate;
  const sorted = latencies.filter((ms) => !Number.isNaN(ms)).sort();
  const late = lateness.sort();
  const none = sorted.length === 0;
  return {
    rate: given.rate,
    events: total(given),
    unmatched: total(given) - seen,
    repeated,
    lagGrowth: growth(({ due, seen: back }) => due - back),
    sendLagGrowth: growth(({ due, sent: away }) => due - away),
    p50Ms: none ? NaN : percentile(sorted, 0.5),
    p99Ms: none ? NaN : percentile(sorted, 0.99),
    p999Ms: none ? NaN : percentile(sorted, 0.999),
    maxMs: none ? NaN : sorted[sorted.length - 1]!,
    sendLateP50Ms: percentile(late, 0.5),
    sendLateP999Ms: percentile(late, 0.999),
    ...(given.keepAll === true ? { all: { startedAtMs: performance.timeOrigin + startMs, latenciesMs: [...latencies] } } : {}),
  };
}

const { lastSequence: after } = await streamState(await jetstreamManagerOf(reading), topology.changesStream);
const reader = await PartitionReader.open({ nc: reading, stream: topology.changesStream, filter: '>', after });
watch(reader).catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
process.on('message', (given: LoadOrder) => void run(given).then((result) => process.send!(result)));
process.on('disconnect', () => process.exit(0));
process.send!('ready');
