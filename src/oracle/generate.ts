// A shop's events for tests, benchmarks and the demo: purchases and page views of customers, some late, some twice, some broken.
// G1: the same options give the same events on every machine.
import { seededRandom, zipf, type Random } from '../base/random.ts';
import { formatTime, type EpochMs } from '../base/time.ts';
import type { RefusalReason } from '../message/refusal.ts';

export type GeneratorOptions = {
  readonly seed: number;
  /** How many are yielded, duplicates and invalid ones included. */
  readonly events: number;
  readonly profiles: number;
  /** Skew of who buys: 0 is uniform, 1 is a usual shop. */
  readonly zipfS: number;
  /** Arrivals are spread evenly over [startMs, startMs + spanMs). */
  readonly startMs: EpochMs;
  readonly spanMs: number;
  /** Share of events whose timestamp is up to `maxLateMs` before their arrival; the others happen when they arrive. */
  readonly outOfOrderShare: number;
  readonly maxLateMs: number;
  /** Share of events that carry the `_id` of a recent one of the same customer: half of them the same bytes again, half another body. */
  readonly duplicateShare: number;
  readonly invalidShare: number;
};

/** `valid`: it is admitted, if its log time is at least `arrivalMs` and before 2099; else `reason` says what the refusal will be.
 *  `duplicate`: its `_id` was yielded before (whether it counts is for the dedupe horizon to say). */
export type GeneratedEvent = {
  readonly dataset: string;
  readonly namespace: string;
  readonly id: string;
  readonly body: string;
  readonly valid: boolean;
  readonly reason: RefusalReason | null;
  readonly duplicate: boolean;
  readonly arrivalMs: EpochMs;
};

type Draft = { readonly customer: string; readonly _id: string; readonly timestampMs: EpochMs };
type Sent = { readonly draft: Draft; readonly body: string };

const DATASET = 'orders';
const NAMESPACE = 'customerId';
const CHANNELS = ['web', 'store', 'app', 'phone'] as const;
const RECENT_MAX = 256;

export function* generateEvents(options: GeneratorOptions): Generator<GeneratedEvent, void, undefined> {
  const random = seededRandom(options.seed);
  const skewed = options.zipfS > 0 ? zipf(options.profiles, options.zipfS) : undefined;
  const recent: Sent[] = [];
  for (let n = 0; n < options.events; n++) {
    const arrivalMs = options.startMs + Math.floor((options.spanMs * n) / options.events);
    const late = random.next() < options.outOfOrderShare;
    const fresh: Draft = {
      customer: `c-${skewed === undefined ? random.below(options.profiles) : skewed(random)}`,
      _id: `e-${options.seed}-${n}`,
      timestampMs: late ? arrivalMs - random.below(options.maxLateMs + 1) : arrivalMs,
    };
    const kind = random.next();
    if (kind < options.invalidShare) {
      yield invalid(fresh, arrivalMs, random);
    } else if (kind < options.invalidShare + options.duplicateShare && recent.length > 0) {
      const { draft, body } = recent[random.below(recent.length)]!;
      yield valid({ draft, body: random.next() < 0.5 ? body : bodyOf(draft, random) }, arrivalMs, true);
    } else {
      const sent = { draft: fresh, body: bodyOf(fresh, random) };
      if (recent.length < RECENT_MAX) recent.push(sent);
      else recent[n % RECENT_MAX] = sent;
      yield valid(sent, arrivalMs, false);
    }
  }
}

function valid(sent: Sent, arrivalMs: EpochMs, duplicate: boolean): GeneratedEvent {
  return {
    dataset: DATASET,
    namespace: NAMESPACE,
    id: sent.draft.customer,
    body: sent.body,
    valid: true,
    reason: null,
    duplicate,
    arrivalMs,
  };
}

function bodyOf(draft: Draft, random: Random): string {
  const head = `{"_id":"${draft._id}","timestamp":"${formatTime(draft.timestampMs)}"`;
  if (random.next() < 0.2)
    return `${head},"eventType":"web.webpagedetails.pageViews","web":{"webPageDetails":{"name":"/p/${random.below(500)}"}}}`;
  const price = ((random.below(50_000) + 1) / 100).toFixed(2);
  const channel = CHANNELS[random.below(CHANNELS.length)]!;
  return `${head},"eventType":"commerce.purchases","commerce":{"order":{"priceTotal":${price},"channel":"${channel}"}}}`;
}

type Broken = {
  readonly reason: RefusalReason;
  readonly body: string;
  readonly dataset?: string;
  readonly namespace?: string;
  readonly id?: string;
};

/** Every kind of broken event, made from what would have been a good one. */
function brokenKinds(draft: Draft, good: string): readonly Broken[] {
  const _id = `"_id":"${draft._id}"`;
  const timestamp = `"timestamp":"${formatTime(draft.timestampMs)}"`;
  return [
    { reason: 'malformed', body: good.slice(0, -1) },
    { reason: 'malformed', body: '' },
    { reason: 'malformed', body: `[${good}]` },
    { reason: 'missing_id', body: `{${timestamp}}` },
    { reason: 'missing_id', body: `{"_id":"",${timestamp}}` },
    { reason: 'schema', body: `{"_id":17,${timestamp}}` },
    { reason: 'schema', body: `{${_id},${timestamp},"eventType":["commerce.purchases"]}` },
    { reason: 'missing_timestamp', body: `{${_id}}` },
    { reason: 'bad_timestamp', body: `{${_id},"timestamp":"yesterday"}` },
    { reason: 'bad_timestamp', body: `{${_id},"timestamp":"2026-02-30T00:00:00.000Z"}` },
    { reason: 'future', body: `{${_id},"timestamp":"2099-01-01T00:00:00.000Z"}` },
    { reason: 'forbidden_key', body: `{${_id},${timestamp},"__proto__":{"priceTotal":1}}` },
    { reason: 'not_finite', body: `{${_id},${timestamp},"commerce":{"order":{"priceTotal":1e999}}}` },
    { reason: 'unknown_dataset', body: good, dataset: 'nosuchdataset' },
    { reason: 'unknown_namespace', body: good, namespace: 'nosuchnamespace' },
    { reason: 'blocked_id', body: good, id: 'undefined' },
  ];
}

function invalid(draft: Draft, arrivalMs: EpochMs, random: Random): GeneratedEvent {
  const kinds = brokenKinds(draft, bodyOf(draft, random));
  const subject = { dataset: DATASET, namespace: NAMESPACE, id: draft.customer };
  return { ...subject, ...kinds[random.below(kinds.length)]!, valid: false, duplicate: false, arrivalMs };
}
