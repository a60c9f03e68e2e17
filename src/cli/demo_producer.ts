// `demo --feed`: a shop's events into the root of the settings, at a steady rate, until it is stopped.
// DP1: the root, its definitions and its worker are somebody else's; nothing but the log is written to.
// DP2: whatever keeps it from sending is said once when it begins and once when it is over, never per event.
// DP3: what it could not send while it waited it does not send later: a live feed has no backlog.
import { setTimeout as delay } from 'node:timers/promises';
import { VisageError } from '../base/errors.ts';
import type { Settings } from '../definitions/settings.ts';
import { generateEvents, type GeneratedEvent } from '../oracle/generate.ts';
import { createProducer, type ProducerOptions } from '../producer/create_producer.ts';
import type { Producer } from '../producer/producer.ts';
import { print, remark } from './output.ts';

const RETRY_MS = 1_000;
/** Later than this it begins anew from now (DP3). */
const BEHIND_MS_MAX = 1_000;
/** Shorter than the 10 s that container engines give by default. */
const FLUSH_MS_MAX = 5_000;
/** Sent and not answered; what would make more waits. */
const OPEN_MAX = 1_000;
const POLL_MS = 50;
const SPAN_MS = 3_600_000;
const PROFILES = 1_000;
/** What a failure may be called without trouble: the wait for it is over, or will be. */
const PASSING = new Set(['no_connection', 'not_set_up']);

/** Counts as the log answered. */
type Tally = { stored: number; failed: number; open: number };

/** Runs until SIGINT or SIGTERM; a second one ends it at once. @throws VisageError what waiting does not cure, e.g. `server_too_old` */
export async function feedUntilStopped(settings: Settings, eventsPerSecond: number): Promise<void> {
  const stop = stopOnSignals();
  const startMs = performance.now();
  const tally: Tally = { stored: 0, failed: 0, open: 0 };
  const producer = await openWhenPossible(settings, stop);
  if (producer !== undefined) {
    remark(`sending ${eventsPerSecond} events a second to root '${settings.root}'`);
    while (!stop.aborted) await sendLive(producer, eventsPerSecond, tally, stop);
    await Promise.race([producer.close(), delay(FLUSH_MS_MAX)]);
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  await print(`${tally.stored} events stored in ${seconds} s, ${tally.failed} failed, ${tally.open} not answered`);
}

/** Undefined: stopped before it could be opened. */
async function openWhenPossible(settings: Settings, stop: AbortSignal): Promise<Producer | undefined> {
  let said = '';
  while (!stop.aborted) {
    try {
      return await createProducer({ ...connectionOf(settings), root: settings.root, onWaiting });
    } catch (error) {
      if (!(error instanceof VisageError) || !PASSING.has(error.code)) throw error;
      if (error.code !== said) remark(waitingFor(error.code, settings));
      said = error.code;
    }
    await delay(RETRY_MS, undefined, { signal: stop }).catch(() => undefined);
  }
  return undefined;
}

function waitingFor(code: string, { nats, root }: Settings): string {
  return code === 'not_set_up'
    ? `waiting: root '${root}' is not set up yet ('visage setup', or 'visage worker --setup')`
    : `waiting: no NATS server answers at ${nats.servers.join(', ')}`;
}

function onWaiting(why: string | null): void {
  remark(why === null ? 'sending again' : `waiting: ${why}`);
}

/** One run of the generator, each event when it happens; ends early when it has fallen behind. */
async function sendLive(producer: Producer, eventsPerSecond: number, tally: Tally, stop: AbortSignal): Promise<void> {
  const startMs = Date.now();
  const events = generateEvents({
    seed: startMs, // names the events too: another run, another seed, other ids
    events: (eventsPerSecond * SPAN_MS) / 1000,
    profiles: PROFILES,
    zipfS: 1,
    startMs,
    spanMs: SPAN_MS,
    outOfOrderShare: 0.2,
    maxLateMs: 10_000,
    duplicateShare: 0.02,
    invalidShare: 0.002,
  });
  for (const event of events) {
    const aheadMs = event.arrivalMs - Date.now();
    if (aheadMs > 0) await delay(aheadMs, undefined, { signal: stop }).catch(() => undefined);
    // asked again and again: `ready()` may never come, and a race with a promise that lasts would keep every loser
    while (!stop.aborted && (producer.waitingFor !== null || tally.open >= OPEN_MAX))
      await delay(POLL_MS, undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted || Date.now() - event.arrivalMs > BEHIND_MS_MAX) return;
    send(producer, event, tally);
  }
}

function send(producer: Producer, event: GeneratedEvent, tally: Tally): void {
  tally.open++;
  const { namespace, id } = event;
  producer.send(event.dataset, event.body, { identity: { namespace, id } }).then(
    () => {
      tally.open--;
      tally.stored++;
    },
    () => {
      tally.open--;
      tally.failed++; // why was said by onWaiting
    },
  );
}

function connectionOf({ nats }: Settings): ProducerOptions {
  const { ca, cert, key } = nats.tls;
  return {
    servers: nats.servers,
    ...(nats.credentials === null ? {} : { credentials: nats.credentials }),
    ...(nats.tokenFile === null ? {} : { tokenFile: nats.tokenFile }),
    ...(nats.user === null ? {} : { user: nats.user }),
    ...(nats.passwordFile === null ? {} : { passwordFile: nats.passwordFile }),
    inboxPrefix: nats.inboxPrefix,
    tls: { ...(ca === null ? {} : { ca }), ...(cert === null ? {} : { cert }), ...(key === null ? {} : { key }) },
    name: 'visage demo feed',
  };
}

function stopOnSignals(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(1);
      stop.abort();
    });
  }
  return stop.signal;
}
