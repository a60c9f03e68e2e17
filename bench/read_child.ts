// Reads profiles by chance at a fixed rate, in a process of its own, until told to stop; then says how long each took.
// RD1: open loop: read i is due at start + i / rate, whatever the worker does; its latency counts from then.
// RD2: what is read is looked at: a view before the values are due has the order, one from then on has not.
import { seededRandom } from '../src/base/random.ts';
import { parseRfc3339 } from '../src/base/time.ts';
import { loadSettings } from '../src/definitions/load_settings.ts';
import { openClient } from '../src/worker/client.ts';

export type ReadOrder = {
  readonly url: string;
  readonly root: string;
  readonly profiles: number;
  readonly rate: number;
  readonly seed: number;
  /** When every value is due. */
  readonly dueMs: number;
};

/** When a read was due by the wall clock, and how long it took from then. */
export type Read = readonly [dueAtMs: number, ms: number];
export type ReadAnswer = { readonly reads: readonly Read[]; readonly wrong: number };

const order = JSON.parse(process.argv[2]!) as ReadOrder;
const settings = loadSettings({ env: {}, overrides: { 'nats.servers': order.url, root: order.root } });
const client = await openClient(settings, 'bench read');
const random = seededRandom(order.seed);
const reads: Read[] = [];
const startMs = Date.now();
let asked = 0;
let wrong = 0;

async function read(dueAtMs: number): Promise<void> {
  const view = await client.profile({ namespace: 'customerId', id: `c-${random.below(order.profiles)}` });
  reads.push([dueAtMs, Date.now() - dueAtMs]);
  const has = view?.computed['orders']?.value;
  if (has !== (parseRfc3339(view?.time ?? '') < order.dueMs ? 1 : 0)) wrong++;
}

const waiting = new Set<Promise<void>>();
const timer = setInterval(() => {
  for (const until = ((Date.now() - startMs) * order.rate) / 1000; asked < until; asked++) {
    const one = read(startMs + (asked * 1000) / order.rate).catch((error: unknown) => {
      console.error(error);
      wrong++;
    });
    waiting.add(one);
    void one.then(() => waiting.delete(one));
  }
}, 2);
process.on('message', () => {
  clearInterval(timer);
  void Promise.all(waiting).then(() => process.send!({ reads, wrong } satisfies ReadAnswer));
});
process.on('disconnect', () => process.exit(0));
