// Commits as text: a CloudEvents batch, one change event a profile.
// CE1: built by concatenation, each value encoded once; what is known to be plain is not looked at again.
import { formatTime } from '../base/time.ts';
import { sameValue } from '../aggregate/attribute_value.ts';
import type { Attribute } from '../aggregate/plan.ts';
import { identityName, isErasedKey, parseIdentityKey } from '../message/identity.ts';
import type { Trace } from '../message/trace.ts';
import { sameJson } from '../record/json.ts';
import type { LeafChange } from '../record/leaf_changes.ts';
import { EVENT_BYTES_MAX, type PendingEvent, type SealedCommit } from './commit_builder.ts';
import type { Cause } from './effects.ts';

/** What the paths of a truncated event's leaves may take. */
const PATHS_BYTES_MAX = 64 * 1024;

export type CommitEncoderOptions = {
  readonly root: string;
  readonly logStream: string;
  readonly shard: number;
  readonly generation: number;
  /** Events up to this sequence may be in the stream already, from a life whose commits aged out. */
  readonly repeatedThrough: number;
};

/** What the encoder needs of a commit: `plan.attributes` names what events' attributes are. */
export type ToEncode = { readonly events: SealedCommit['events']; readonly plan: Named | null };
type Named = { readonly attributes: readonly Pick<Attribute, 'path' | 'name' | 'audience'>[] };

export class CommitEncoder {
  readonly source: string;
  private readonly repeatedThrough: number;
  private readonly head: string;
  private readonly afterId: string;
  private timeMs = -1;
  private time = '';

  constructor(options: CommitEncoderOptions) {
    const { root, logStream, shard, generation } = options;
    this.source = `/${root}/${logStream}/${shard}${generation > 1 ? `/${generation}` : ''}`;
    this.repeatedThrough = options.repeatedThrough;
    this.head = `{"specversion":"1.0","id":"${options.shard}-`;
    this.afterId = `","source":"${this.source}","type":"visage.profile.`;
  }

  /** Cost: about 1 µs an event with ten changes. */
  encode(commit: ToEncode): string {
    const { events, plan } = commit;
    if (events.length === 0) return '[]';
    let out = '[';
    for (let i = 0; i < events.length; i++) {
      if (i > 0) out += ',';
      out += this.event(events[i]!, plan!);
    }
    return out + ']';
  }

  private event(event: PendingEvent, plan: Named): string {
    if (event.timeMs !== this.timeMs) {
      this.time = sameSecond(event.timeMs, this.timeMs)
        ? this.time.slice(0, 20) + THOUSAND[event.timeMs % 1000]! + 'Z'
        : formatTime(event.timeMs);
      this.timeMs = event.timeMs;
    }
    const truncated = event.bytes >= EVENT_BYTES_MAX;
    return (
      `${this.head}${event.version}-${event.ordinal}${this.afterId}${typeOf(event)}",` +
      (event.trace === null ? '' : traceText(event.trace)) +
      subjectOf(event.key, this.time) +
      `,"version":${event.version},"previousVersion":${event.previousVersion},"sequence":${event.version},"cause":[${truncated ? '' : causesOf(event)}]` +
      (truncated || event.causeCount > event.causes.length ? `,"causeCount":${event.causeCount}` : '') +
      (truncated ? truncation(event) : '') +
      (event.version <= this.repeatedThrough ? ',"possiblyRepeated":true' : '') +
      `,"changes":[${changesOf(event, plan, truncated)}],"audiences":${audiencesOf(event, plan)}}}`
    );
  }
}

/** Of a profile that nobody could have seen, made and deleted within one commit: deleted. */
function typeOf({ existed, exists }: PendingEvent): 'created' | 'updated' | 'deleted' {
  if (!exists) return 'deleted';
  return existed ? 'updated' : 'created';
}

/** The distributed tracing extension of CloudEvents. */
function traceText({ parent, state }: Trace): string {
  return `"traceparent":"${parent}",` + (state === null ? '' : `"tracestate":${quote(state)},`);
}

/** From `subject` to the profile's identity. Most ids need no decoding and no quoting. */
function subjectOf(key: string, time: string): string {
  if (isErasedKey(key)) return subjectOf(`erased.${key.slice(key.indexOf('.') + 1)}`, time);
  const middle = `,"time":"${time}","datacontenttype":"application/json","data":{"profile":{"namespace":"`;
  if (key.indexOf('%') < 0) {
    const dot = key.indexOf('.');
    const namespace = key.slice(0, dot);
    const id = key.slice(dot + 1);
    return `"subject":"${namespace}:${id}"${middle}${namespace}","id":"${id}"}`;
  }
  const identity = parseIdentityKey(key);
  return `"subject":${quote(identityName(identity))}${middle}${identity.namespace}","id":${quote(identity.id)}}`;
}

function causesOf(event: PendingEvent): string {
  let out = '';
  for (const cause of event.causes) {
    if (out !== '') out += ',';
    out +=
      cause.kind === 'event'
        ? `{"kind":"event","dataset":"${cause.dataset}","_id":${quote(cause._id)},"sequence":${cause.sequence}}`
        : otherCause(cause);
  }
  return out;
}

function otherCause(cause: Exclude<Cause, { readonly kind: 'event' }>): string {
  const { kind, sequence } = cause;
  switch (kind) {
    case 'record': {
      const id = cause._id === null ? '' : `"_id":${quote(cause._id)},`;
      return `{"kind":"record","dataset":"${cause.dataset}","operation":"${cause.operation}",${id}"sequence":${sequence}}`;
    }
    case 'deleteDataset':
      return `{"kind":"delete","operation":"delete","dataset":"${cause.dataset}","sequence":${sequence}}`;
    case 'delete':
    case 'erase':
      return `{"kind":"${kind}","operation":"${kind}","sequence":${sequence}}`;
    case 'expiry':
    case 'definitions':
      return `{"kind":"${kind}","sequence":${sequence}}`;
  }
}

/** The paths alone may be too long: then those that fit are listed, and how many there are is said. */
function truncation({ leaves }: PendingEvent): string {
  return leaves !== null && fittingLeaves(leaves) < leaves.size
    ? `,"truncated":true,"changesTotal":${leaves.size}`
    : ',"truncated":true';
}

function fittingLeaves(leaves: ReadonlyMap<string, LeafChange>): number {
  let room = PATHS_BYTES_MAX;
  let n = 0;
  for (const path of leaves.keys()) {
    room -= 20 + 6 * path.length;
    if (room < 0) return n;
    n++;
  }
  return n;
}

function changesOf(event: PendingEvent, plan: Named, truncated: boolean): string {
  let out = '';
  const { attributes, before, after } = event;
  for (let i = 0; i < attributes.length; i++) {
    const was = before[i];
    const is = after[i];
    if (sameValue(was, is)) continue;
    out += out === '' ? '{"path":"' : ',{"path":"';
    out += plan.attributes[attributes[i]!]!.path;
    out += '"';
    if (!truncated && was !== undefined) out += `,"before":${jsonOf(was)}`;
    if (!truncated && is !== undefined) out += `,"after":${jsonOf(is)}`;
    out += '}';
  }
  return event.leaves === null ? out : out + leavesOf(event.leaves, truncated, out === '');
}

function leavesOf(leaves: ReadonlyMap<string, LeafChange>, truncated: boolean, first: boolean): string {
  let out = '';
  let left = truncated ? fittingLeaves(leaves) : Infinity;
  for (const { path, before, after } of leaves.values()) {
    if (left-- <= 0) break;
    if (sameJson(before, after)) continue;
    out += first && out === '' ? '{"path":' : ',{"path":';
    out += quote(path);
    if (!truncated && before !== undefined) out += `,"before":${jsonOf(before)}`;
    if (!truncated && after !== undefined) out += `,"after":${jsonOf(after)}`;
    out += '}';
  }
  return out;
}

/** Who was in before and is not now, and the other way round, over the whole commit. */
function audiencesOf({ attributes, before, after, audiences }: PendingEvent, plan: Named): string {
  if (audiences !== undefined) return JSON.stringify(audiences);
  let entered = '';
  let exited = '';
  for (let i = 0; i < attributes.length; i++) {
    const { audience, name } = plan.attributes[attributes[i]!]!;
    if (!audience || (before[i] === true) === (after[i] === true)) continue;
    if (after[i] === true) entered += `${entered === '' ? '' : ','}"${name}"`;
    else exited += `${exited === '' ? '' : ','}"${name}"`;
  }
  return `{"entered":[${entered}],"exited":[${exited}]}`;
}

const NEEDS_ESCAPE = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;

function quote(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}

function jsonOf(value: unknown): string {
  if (typeof value === 'number') return numberText(value);
  return typeof value === 'string' ? quote(value) : JSON.stringify(value);
}

/** As JSON writes it. Prices take a way of their own: putting two small integers together is three times as fast as printing a double. */
function numberText(value: number): string {
  if ((value | 0) === value) return `${value | 0}`;
  const cents = Math.round(value * 100);
  if (cents > 0 && cents < 2 ** 31 && cents / 100 === value) {
    const whole = (cents / 100) | 0;
    return `${whole}${FRACTION[cents - whole * 100]!}`;
  }
  return Object.is(value, -0) ? '0' : String(value);
}

function sameSecond(aMs: number, bMs: number): boolean {
  return bMs >= 0 && Math.floor(aMs / 1000) === Math.floor(bMs / 1000);
}

const FRACTION = Array.from({ length: 100 }, (_, cents) =>
  cents === 0 ? '' : cents % 10 === 0 ? `.${cents / 10}` : `.${String(cents).padStart(2, '0')}`,
);
const THOUSAND = Array.from({ length: 1000 }, (_, ms) => String(ms).padStart(3, '0'));
