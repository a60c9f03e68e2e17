// Writes one event after the other for a shard: on time, late, exactly on a window's edge, again, or broken.
// EW1: what it writes is a function of the seed and of what it wrote before.
import { seededRandom, type Random } from '../base/random.ts';
import { formatTime } from '../base/time.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { EventDomain } from './event_domain.ts';
import { put, WRONG } from './payload_parts.ts';
import type { People } from './people.ts';
import { oneOf, type Swarm, type Traffic } from './swarm.ts';

/** `tail`: the subject after the shard's prefix. */
export type WrittenEvent = { readonly tail: string; readonly body: Uint8Array; readonly key: IdentityKey };

type Sent = WrittenEvent & { readonly _id: string; readonly timestamp: string };

const D = 86_400_000;
const RECENT_MAX = 64;
const utf8 = new TextEncoder();

export class EventWriter {
  private readonly domain: EventDomain;
  private readonly people: People;
  private readonly traffic: Traffic;
  private readonly random: Random;
  private readonly skewMs: number;
  private readonly recent: Sent[] = [];
  private written = 0;

  constructor(domain: EventDomain, people: People, swarm: Swarm) {
    this.domain = domain;
    this.people = people;
    this.traffic = swarm.traffic;
    this.random = seededRandom(swarm.seed + 0x5eed);
    this.skewMs = swarm.settings[0]!.maxFutureSkewMs;
  }

  /** The next message of a producer whose clock says `nowMs`. */
  next(nowMs: number): WrittenEvent {
    const { random, traffic } = this;
    const kind = random.next();
    if (kind < traffic.duplicates && this.recent.length > 0) return this.again(nowMs);
    const key = this.people.someone(random);
    const dataset = oneOf(random, this.domain.datasets);
    const _id = random.next() < 0.02 ? `e-${random.below(5)}` : `e-${this.written}`; // one id in several datasets and profiles
    this.written++;
    const timestamp = formatTime(this.timestampMs(nowMs));
    const body = this.body(_id, timestamp);
    if (kind > 1 - traffic.broken) return this.broken(key, dataset, body, nowMs);
    const sent = { tail: `in.${dataset}.${key}`, body: utf8.encode(JSON.stringify(body)), key, _id, timestamp };
    this.recent[this.written % RECENT_MAX] = sent;
    return sent;
  }

  /** The same event again: the same bytes, or other ones under its id. */
  private again(nowMs: number): WrittenEvent {
    const sent = oneOf(this.random, this.recent.filter(Boolean));
    if (this.random.next() < 0.5) return sent;
    const timestamp = this.random.next() < 0.5 ? sent.timestamp : formatTime(this.timestampMs(nowMs));
    return { ...sent, body: utf8.encode(JSON.stringify(this.body(sent._id, timestamp))) };
  }

  private timestampMs(nowMs: number): number {
    const { random, traffic, domain } = this;
    let ms = nowMs;
    if (random.next() < traffic.late) {
      const windowMs = domain.windowsMs.length > 0 ? oneOf(random, domain.windowsMs) : D;
      const dayMs = nowMs - (nowMs % D);
      ms = oneOf(random, [
        () => nowMs - windowMs + oneOf(random, [-1, 0, 1, 2]), // on the far edge: gone, or about to go
        () => nowMs - windowMs + random.below(2_000), // leaves soon
        () => nowMs - random.below(2 * windowMs + 1),
        () => nowMs - random.below(20),
        () => Math.min(this.people.nearDelete(random, nowMs), nowMs + this.skewMs),
        () => dayMs - oneOf(random, [0, 1]) * D + oneOf(random, [-1, 0, 1]), // where days, weeks and months begin
        () => nowMs + oneOf(random, [1, 50, this.skewMs - 1, this.skewMs, this.skewMs + 1]),
      ])();
    }
    return ms - (ms % traffic.grainMs);
  }

  private body(_id: string, timestamp: string): Record<string, unknown> {
    const { random, traffic, domain } = this;
    const body: Record<string, unknown> = { _id, timestamp };
    const type = oneOf(random, domain.eventTypes);
    if (type !== undefined) body['eventType'] = type;
    for (const { path, values } of domain.paths) {
      if (random.next() < traffic.missing) continue;
      put(body, path, random.next() < traffic.wrongType ? oneOf(random, WRONG) : oneOf(random, values));
    }
    return body;
  }

  /** Every kind of broken event, made from what would have been a good one. */
  private broken(key: IdentityKey, dataset: string, good: Record<string, unknown>, nowMs: number): WrittenEvent {
    const text = JSON.stringify(good);
    const { _id, timestamp } = good;
    const rest = text.slice(1);
    const bodies = [
      text.slice(0, -1),
      '',
      `[${text}]`,
      JSON.stringify({ timestamp }),
      JSON.stringify({ _id: 17, timestamp }),
      JSON.stringify({ ...good, eventType: ['x'] }),
      JSON.stringify({ _id }),
      JSON.stringify({ _id, timestamp: 'yesterday' }),
      JSON.stringify({ _id, timestamp: '2026-02-30T00:00:00.000Z' }),
      JSON.stringify({ _id, timestamp: formatTime(nowMs + 2 * this.skewMs) }),
      `{"__proto__":{"a":1},${rest}`,
      `{"big":1e999,${rest}`,
      `{"deep":${'['.repeat(20)}${']'.repeat(20)},${rest}`,
      JSON.stringify({ ...good, padding: 'x'.repeat(11_000) }),
    ];
    const tails = [`in.nosuchdataset.${key}`, `in.${dataset}.nosuchnamespace.a`, `in.${dataset}.${key.split('.')[0]}.undefined`];
    const n = this.random.below(bodies.length + tails.length + 1);
    if (n === bodies.length + tails.length)
      return { tail: `in.${dataset}.${key}`, body: new Uint8Array([0x7b, 0xff, 0x7d]), key };
    if (n >= bodies.length) return { tail: tails[n - bodies.length]!, body: utf8.encode(text), key };
    return { tail: `in.${dataset}.${key}`, body: utf8.encode(bodies[n]), key };
  }
}
