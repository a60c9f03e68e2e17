// Writes records for a shard: whole ones, patches and deletes, as of now or of other times, on the edges of deletes, again, or broken.
// RW1: what it writes is a function of the seed and of what it wrote before.
import { seededRandom, type Random } from '../base/random.ts';
import { formatTime } from '../base/time.ts';
import type { IdentityKey } from '../message/identity.ts';
import { LAST_UPDATED_HEADER, OPERATION_HEADER } from '../message/decode.ts';
import type { RecordDomain } from './event_domain.ts';
import { put, WRONG } from './payload_parts.ts';
import type { PathDomain } from './path_domain.ts';
import type { People } from './people.ts';
import { oneOf, type Swarm, type Traffic } from './swarm.ts';

/** `tail`: the subject after the shard's prefix. */
export type WrittenRecord = {
  readonly tail: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
};

type Operation = 'create' | 'merge' | 'delete';
type Body = Record<string, unknown>;

const H = 3_600_000;
const RECENT_MAX = 32;
/** Share of the writes that are one again that was. */
const AGAIN_MIN = 0.1;
const utf8 = new TextEncoder();
/** Names that need care wherever fields have names. */
const ODD_FIELDS: readonly (readonly string[])[] = [
  ['more', 'a.b'],
  ['more', ''],
  ['more', 'constructor'],
  ['odd["name"]'],
  ['toString', 'x'],
];

export class RecordWriter {
  private readonly domain: RecordDomain;
  private readonly people: People;
  private readonly traffic: Traffic;
  private readonly random: Random;
  private readonly skewMs: number;
  /** What a write to this record last said that it was as of. */
  private readonly lastUpdatedMs = new Map<string, number>();
  private readonly recent: WrittenRecord[] = [];
  private written = 0;

  constructor(domain: RecordDomain, people: People, swarm: Swarm) {
    this.domain = domain;
    this.people = people;
    this.traffic = swarm.traffic;
    this.random = seededRandom(swarm.seed + 0x4ec04d);
    this.skewMs = swarm.settings[0]!.maxFutureSkewMs;
  }

  /** The next write of a producer whose clock says `nowMs`. */
  next(nowMs: number): WrittenRecord {
    const { random, traffic, domain } = this;
    if (this.recent.length > 0 && random.next() < Math.max(traffic.duplicates, AGAIN_MIN)) return oneOf(random, this.recent);
    const key = this.people.someone(random);
    const dataset = oneOf(random, domain.datasets);
    const operation = oneOf<Operation>(random, ['create', 'merge', 'merge', 'merge', 'delete']);
    const body: Body = operation === 'delete' ? {} : operation === 'create' ? this.whole() : this.patch();
    this.written++;
    // many have none; one id is that of other writes to the same record, and in other datasets and of other profiles
    if (random.next() < 0.5) body['_id'] = random.next() < 0.5 ? `r-${random.below(2)}` : `r-${this.written}`;
    if (random.next() < 0.05) put(body, ['identityMap'], { email: [{ id: oneOf(random, ['x', 'y', '', 'ada@example.com']) }] });
    const record = { tail: `in.${dataset}.${key}`, headers: headersOf(random, operation), body };
    this.date(record, `${dataset} ${key}`, nowMs);
    const isBroken = random.next() < traffic.broken;
    const sent = isBroken ? this.broken(record, key, nowMs) : { ...record, body: this.bytes(record) };
    this.recent.push(sent);
    if (this.recent.length > RECENT_MAX) this.recent.shift();
    return sent;
  }

  private whole(): Body {
    const { random, traffic, domain } = this;
    const body: Body = {};
    for (const { path, values } of domain.paths) {
      if (random.next() < Math.max(traffic.missing, 0.1)) continue;
      put(body, path, random.next() < traffic.wrongType ? oneOf(random, WRONG) : oneOf(random, values));
    }
    this.addOdd(body);
    if (random.next() < traffic.huge) body['more'] = hugeObject(random);
    return body;
  }

  /** A leaf or a few; what is patched with null goes. */
  private patch(): Body {
    const { random, traffic, domain } = this;
    const body: Body = {};
    for (let n = random.below(3); n >= 0 && domain.paths.length > 0; n--) {
      const at = oneOf(random, domain.paths);
      const isRemoved = random.next() < 0.2;
      const path = isRemoved && random.next() < 0.3 ? at.path.slice(0, 1) : at.path;
      if (isRemoved) put(body, path, null);
      else put(body, path, random.next() < traffic.wrongType ? oneOf(random, WRONG) : this.patchOf(at));
    }
    this.addOdd(body);
    return body;
  }

  private patchOf({ values, isList }: PathDomain): unknown {
    const { random } = this;
    const value = oneOf(random, values);
    if (!isList || random.next() < 0.4) return value;
    const other = oneOf(random, values);
    return oneOf(random, [{ $append: value }, { $remove: value }, { $remove: value, $append: other }]);
  }

  private addOdd(body: Body): void {
    const { random } = this;
    if (random.next() < 0.1) put(body, oneOf(random, ODD_FIELDS), oneOf(random, [1, {}, [], 'x', null, { y: { z: 1 } }]));
  }

  /** Says when it was updated: in a header, in the body, in both, or not at all. */
  private date(record: { headers: Record<string, string>; body: Body }, name: string, nowMs: number): void {
    const { random } = this;
    const said = random.below(4);
    if (said === 0) return;
    const ms = this.timeMs(name, nowMs);
    this.lastUpdatedMs.set(name, ms);
    if (said !== 1)
      record.headers[random.next() < 0.5 ? LAST_UPDATED_HEADER : LAST_UPDATED_HEADER.toLowerCase()] = formatTime(ms);
    if (said === 2) return;
    const audit = random.next() < 0.5 ? {} : { createdDate: formatTime(ms - random.below(H)) };
    record.body['extSourceSystemAudit'] = { ...audit, lastUpdatedDate: formatTime(said === 1 ? ms : nowMs - random.below(H)) };
  }

  private timeMs(name: string, nowMs: number): number {
    const { random } = this;
    const last = this.lastUpdatedMs.get(name) ?? nowMs;
    const ms = oneOf(random, [
      () => nowMs,
      () => nowMs - random.below(20),
      () => nowMs - random.below(2 * H),
      () => last + oneOf(random, [-1, 0, 0, 1]),
      () => this.people.nearDelete(random, nowMs),
      () => nowMs + oneOf(random, [1, 50, this.skewMs - 1, this.skewMs]),
    ])();
    return Math.min(ms, nowMs + this.skewMs); // a clock that stands still comes near to its own future
  }

  private bytes({ headers, body }: { headers: Readonly<Record<string, string>>; body: Body }): Uint8Array {
    const isEmpty = headers[OPERATION_HEADER] === 'delete' && Object.keys(body).length === 0 && this.random.next() < 0.5;
    return isEmpty ? new Uint8Array(0) : utf8.encode(JSON.stringify(body));
  }

  /** Every kind of broken write, made from what would have been a good one. */
  private broken(
    record: { tail: string; headers: Record<string, string>; body: Body },
    key: IdentityKey,
    nowMs: number,
  ): WrittenRecord {
    const { random } = this;
    const text = JSON.stringify(record.body);
    const good = { ...record, body: utf8.encode(text) };
    const withBody = (body: object): WrittenRecord => ({
      ...good,
      body: utf8.encode(JSON.stringify({ ...record.body, ...body })),
    });
    const withHeader = (name: string, value: string): WrittenRecord => ({
      ...good,
      headers: { ...record.headers, [name]: value },
    });
    return oneOf(random, [
      () => ({ ...good, body: utf8.encode(text.slice(1)) }),
      () => ({ ...good, body: utf8.encode(`[${text}]`) }),
      () => ({ ...good, body: utf8.encode(`{"__proto__":{"a":1},${text.slice(1)}`) }),
      () => withBody({ _id: oneOf(random, ['', null, 7, 'x'.repeat(600)]) }),
      () => withBody({ extSourceSystemAudit: { lastUpdatedDate: 'yesterday' } }),
      () => withBody({ labels: { $append: 'a' } }),
      () => withBody({ labels: { $append: ['a'], also: 1 } }),
      () => withBody({ $append: [1] }),
      () => withBody({ identityMap: { email: [{ id: 'a' }, { id: 'b' }], customerId: [{ id: 'c' }, { id: 'd' }] } }),
      () => withBody({ ['n'.repeat(600)]: 1 }),
      () => withBody({ padding: 'x'.repeat(11_000) }),
      () => withHeader(OPERATION_HEADER, oneOf(random, ['upsert', 'erase', ''])),
      () => withHeader(LAST_UPDATED_HEADER, formatTime(nowMs + 2 * this.skewMs)),
      () => ({ ...good, tail: `in.nosuchdataset.${key}` }),
    ])();
  }
}

function headersOf(random: Random, operation: Operation): Record<string, string> {
  if (operation === 'create' && random.next() < 0.5) return {};
  return { [operation === 'merge' && random.next() < 0.3 ? OPERATION_HEADER.toLowerCase() : OPERATION_HEADER]: operation };
}

/** So many fields that a change event has no room for their values, or not even for their names. */
function hugeObject(random: Random): Body {
  const fields = Object.fromEntries(Array.from({ length: 1_500 + random.below(1_000) }, (_, n) => [`field${n}`, n]));
  return random.next() < 0.5 ? fields : { ['p'.repeat(400)]: fields };
}
