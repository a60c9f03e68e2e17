// The JSON in a message, or what MessagePack says in its place: parsed, looked through for what no payload may hold, every violation collected.
// PL1: nothing in here throws for any input, and nothing repeats the input: only its places.
import type { EventBody } from './admission.ts';
import { placeIn } from './json_pointer.ts';
import type { LogMessage } from './log_message.ts';
import { beginsAsMap, CONTENT_TYPE_HEADER, isMessagePack, MESSAGE_PACK, unpackMap } from './message_pack.ts';
import type { Refusal, RefusalReason, Violation } from './refusal.ts';
import { Unreadable } from './unreadable.ts';

const CONTENT_TYPE = CONTENT_TYPE_HEADER.toLowerCase();
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** More of them help nobody, and each takes memory until its dead letter is stored. */
const VIOLATIONS_MAX = 100;

/** The violations of a message, up to a hundred, and the reason that goes with the first. */
export class Violations {
  private all: Violation[] | null = null;
  private reason: RefusalReason = 'schema';

  add(reason: RefusalReason, pointer: string, message: string): void {
    if (this.all === null) this.reason = reason;
    if (!this.isFull) (this.all ??= []).push({ pointer, keyword: reason, message });
  }

  get count(): number {
    return this.all?.length ?? 0;
  }

  /** Nothing more needs to be looked for. */
  get isFull(): boolean {
    return this.count >= VIOLATIONS_MAX;
  }

  /** What a schema's check found: null or nothing when the payload keeps to it. */
  addAll(violations: readonly Violation[] | null): void {
    if (violations !== null && violations.length > 0) this.all = [...(this.all ?? []), ...violations].slice(0, VIOLATIONS_MAX);
  }

  refusal(): Refusal | undefined {
    return this.all === null ? undefined : { reason: this.reason, errors: this.all };
  }
}

/** The object in a message's body: JSON; or MessagePack, where it begins as such and the header says so. JSON is told by its first byte: no
 *  header is read for it, and none that says something else makes it anything else.
 *  @param packed does the fold know MessagePack?   @throws never */
export function parseBody(message: LogMessage, { packed, depth }: { packed: boolean; depth: number }): EventBody | Unreadable {
  const isPacked = packed && beginsAsMap(message.body);
  if (isPacked && saysMessagePack(message)) return unpackMap(message.body, depth);
  let text: string;
  try {
    text = message.text?.() ?? utf8.decode(message.body);
  } catch {
    return new Unreadable(packed ? notJson(message, isPacked) : 'the body is not valid UTF-8');
  }
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    return new Unreadable(`the body is not JSON${positionOf(error)}`);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return new Unreadable('the body must be a JSON object');
  return body as EventBody;
}

function notJson(message: LogMessage, isPacked: boolean): string {
  const hint = `; a MessagePack body needs the header ${CONTENT_TYPE_HEADER}: ${MESSAGE_PACK}`;
  if (isPacked) return `the body is not valid UTF-8${hint}`;
  return saysMessagePack(message) ? 'the body is not a MessagePack map' : 'the body is not valid UTF-8';
}

function saysMessagePack(message: LogMessage): boolean {
  if (message.headers === null) return false;
  try {
    return Object.entries(message.headers()).some(([name, value]) => name.toLowerCase() === CONTENT_TYPE && isMessagePack(value));
  } catch {
    return false; // the server stores any bytes as headers
  }
}

/** The quick look at every value of a body: nothing too deep, no `__proto__`, only finite numbers. No allocation. */
export function isClean(value: unknown, depthLeft: number): boolean {
  if (typeof value === 'number') return value - value === 0;
  if (typeof value !== 'object' || value === null) return true;
  if (depthLeft === 0) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isClean(value[i], depthLeft - 1)) return false;
    return true;
  }
  for (const key in value) {
    if (key === '__proto__' || !isClean((value as EventBody)[key], depthLeft - 1)) return false;
  }
  return true;
}

/** Adds what `isClean` has stumbled over. */
export function findUnclean(value: unknown, pointer: string, depthLeft: number, found: Violations): void {
  if (typeof value === 'number' && !Number.isFinite(value))
    return found.add('not_finite', pointer, 'the number is beyond what a double holds');
  if (typeof value !== 'object' || value === null) return;
  if (depthLeft === 0) return found.add('too_large', pointer.slice(0, 200), 'the body is nested too deeply');
  for (const key of Object.keys(value)) {
    if (found.isFull) return;
    const at = placeIn(pointer, key);
    if (key === '__proto__') found.add('forbidden_key', at, '__proto__ is not allowed as a key');
    else findUnclean((value as EventBody)[key], at, depthLeft - 1, found);
  }
}

/** JSON.parse quotes the input in its message; only the position may leave, never the data. */
function positionOf(error: unknown): string {
  const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
  return position === undefined ? '' : ` (at byte ${position})`;
}
