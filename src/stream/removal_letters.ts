// Which dead letters are about an erased identity, or name it.
// RL1: an id counts as named where an identity stands (the subject, the identityMap); and where it is a whole JSON string, number or key,
//      or stands in quotes in a text, if it is no word that could be anything else there: a short id must not take the letters of others
//      along.
// RL2: letters of every shard are looked at: a message that came to a wrong one is refused there, and one may name another identity.
import type { NatsConnection } from '@nats-io/transport-node';
import { encodeId, identityKey, type Identity } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import { beginsAsMap, textsIn, unpackMap } from '../message/message_pack.ts';
import type { Topology } from '../message/subject.ts';
import { Unreadable } from '../message/unreadable.ts';
import { scanStream } from './erasure_scan.ts';

const DEPTH_MAX = 64;
const TELLING_MIN = 5;

/** For each of `who` the sequences of the dead letters to be removed: those of messages that the log had `before` that sequence of its own,
 *  and those that it never had.  Cost: reading and parsing all letters once.  @throws VisageError `unavailable`, `stream_changed` (retry) */
export async function lettersNaming(
  nc: NatsConnection,
  topology: Topology,
  who: readonly { readonly identity: Identity; readonly before: number }[],
): Promise<readonly (readonly number[])[]> {
  const found: number[][] = who.map(() => []);
  const wanted = who.map(({ identity, before }) => ({ names: namesOf(identity), before }));
  for await (const message of scanStream({ nc, stream: topology.deadStream, filter: ['>'] })) {
    const named = namedIn(message, topology.root);
    for (const [i, { names, before }] of wanted.entries())
      if (named.logSequence < before && isNamed(names, named)) found[i]!.push(message.sequence);
  }
  return found;
}

/** The identities that dead letters are about, by their subjects: keys, each once. @throws as `lettersNaming` */
export async function keysInLetters(nc: NatsConnection, { root, deadStream }: Topology): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  for await (const message of scanStream({ nc, stream: deadStream, filter: [`${root}.dead.>`] })) {
    const subject = (parsed(textOf(message)) as { readonly subject?: unknown } | undefined)?.subject;
    if (typeof subject === 'string') keys.add(keyOf(subject, root));
  }
  return keys;
}

/** How an identity can be written. */
type Names = { readonly id: string; readonly token: string; readonly key: string; readonly quoted: readonly string[] };

export function namesOf(identity: Identity): Names {
  const { id } = identity;
  const token = encodeId(id);
  // in a text that is no JSON: as JSON writes it, also inside of a JSON text, and in a sentence
  const forms = [JSON.stringify(id), JSON.stringify(JSON.stringify(id)).slice(1, -1), `'${id}'`, JSON.stringify(token)];
  return { id, token, key: identityKey(identity), quoted: forms };
}

/** What a message of the dead letters has in it: keys of subjects, whole strings, and texts in which something may be quoted.
 *  `logSequence`: of the message that was refused; 0: the log never had it. */
export type Named = {
  readonly logSequence: number;
  readonly keys: Set<string>;
  readonly strings: Set<string>;
  readonly texts: string[];
};

export function isNamed({ id, token, key, quoted }: Names, { keys, strings, texts }: Named): boolean {
  if (keys.has(key)) return true;
  if (!isTelling(id)) return false;
  if (strings.has(id) || strings.has(token)) return true;
  return texts.some((text) => quoted.some((form) => text.includes(form)));
}

/** Would nobody write it for anything else? `purchase` and `open` could be anything, and so could `1`. */
function isTelling(id: string): boolean {
  return id.length >= TELLING_MIN && /[^A-Za-z]/.test(id);
}

export function namedIn(message: LogMessage, root: string): Named {
  const text = textOf(message);
  const letter = message.subject.startsWith(`${root}.dead.`) ? (parsed(text) as Letter | null | undefined) : undefined;
  const logSequence = Number.isSafeInteger(letter?.sequence) ? (letter!.sequence as number) : 0;
  const named: Named = { logSequence, keys: new Set(), strings: new Set(), texts: [] };
  if (letter === undefined || letter === null) {
    addTail(message.subject, root, named);
    addBytes(message.body, named);
    addHeaders(message, named);
    return named;
  }
  if (typeof letter.subject === 'string') named.keys.add(keyOf(letter.subject, root));
  if (typeof letter.body === 'string') addText(letter.body, named);
  if (typeof letter.bodyBase64 === 'string') addBytes(Buffer.from(letter.bodyBase64, 'base64'), named);
  addStrings(letter.headers, named, 0);
  for (const { message: why, pointer } of Array.isArray(letter.errors) ? (letter.errors as LetterError[]) : []) {
    if (typeof why === 'string') named.texts.push(why);
    if (typeof pointer !== 'string') continue;
    for (const key of pointer.split('/')) named.strings.add(key.replaceAll('~1', '/').replaceAll('~0', '~'));
  }
  return named;
}

/** What in it may name somebody; its reason and dataset are words that an id may be too. */
type Letter = Readonly<Partial<Record<'subject' | 'sequence' | 'body' | 'bodyBase64' | 'headers' | 'errors', unknown>>>;

type LetterError = { readonly message?: unknown; readonly pointer?: unknown };

/** Of a message whose subject has the wrong number of tokens: an id that nobody encoded, perhaps with dots in it. */
function addTail(subject: string, root: string, named: Named): void {
  named.keys.add(keyOf(subject, root));
  const [, ...tokens] = tokensOf(subject, root);
  for (let at = 0; at < tokens.length; at++) {
    named.strings.add(tokens.slice(at).join('.'));
    if (at > 0) named.strings.add(tokens[at]!); // the first is a namespace where there are more
  }
}

/** Without the dataset. */
function keyOf(subject: string, root: string): string {
  return tokensOf(subject, root).slice(1).join('.');
}

function tokensOf(subject: string, root: string): string[] {
  return subject.slice(root.length + '.in.'.length).split('.');
}

function addBytes(bytes: Uint8Array, named: Named): void {
  if (!beginsAsMap(bytes)) return addText(new TextDecoder().decode(bytes), named);
  const map = unpackMap(bytes);
  if (!(map instanceof Unreadable)) return addValue(map, named);
  // cut, or no MessagePack at all
  for (const text of textsIn(bytes)) addStrings(text, named, 0);
  addText(new TextDecoder().decode(bytes), named);
}

function addText(text: string, named: Named): void {
  const json = parsed(text);
  if (json === undefined) named.texts.push(text);
  else addValue(json, named);
}

function addValue(value: unknown, named: Named): void {
  addStrings(value, named, 0);
  addIdentities(value, named);
}

/** Those of the identityMap, as keys of subjects. */
function addIdentities(json: unknown, named: Named): void {
  const map = (json as { readonly identityMap?: unknown } | null)?.identityMap;
  if (typeof map !== 'object' || map === null) return;
  for (const [namespace, list] of Object.entries(map)) {
    for (const item of Array.isArray(list) ? (list as ({ readonly id?: unknown } | null)[]) : []) {
      const id = item?.id;
      if (typeof id === 'string' && id !== '' && id.isWellFormed()) named.keys.add(`${namespace}.${encodeId(id)}`);
    }
  }
}

function addHeaders(message: LogMessage, named: Named): void {
  try {
    addStrings(message.headers?.(), named, 0);
  } catch {
    // the client throws at bytes that the server stores: nobody can read a name there
  }
}

/** Strings, numbers and keys at any depth. A string that is a sentence may quote. */
function addStrings(value: unknown, named: Named, depth: number): void {
  if (typeof value === 'string') {
    named.strings.add(value);
    if (/['"]/.test(value)) named.texts.push(value);
  } else if (typeof value === 'object' && value !== null) {
    if (depth === DEPTH_MAX) return void named.texts.push(JSON.stringify(value));
    for (const [key, item] of Object.entries(value)) {
      if (!Array.isArray(value)) named.strings.add(key);
      addStrings(item, named, depth + 1);
    }
  } else if (typeof value === 'number') named.strings.add(String(value));
}

function textOf({ body }: LogMessage): string {
  return new TextDecoder().decode(body);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
