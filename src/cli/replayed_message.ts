// A dead letter as the message that it was, to be sent again.
// RM1: it is read from the log, and is the one that was refused: same subject, same bytes. The letter's own copy is used only when it is whole.
// RM2: a record that did not say when it was last updated says so now: when the log stored it first. Replayed, it never wins over what was
//      written since.
// RM3: what can never be admitted as it stands is said to be unusable, with what to do; nothing is repaired by guessing.
import { LAST_UPDATED_HEADER, splitSubject } from '../message/decode.ts';
import { decodeId, type Identity } from '../message/identity.ts';
import { isBlockedId } from '../message/identities_in.ts';
import type { LogMessage } from '../message/log_message.ts';
import { beginsAsMap, unpackMap } from '../message/message_pack.ts';
import { inputSubject, PROFILE_TOKEN } from '../message/subject.ts';
import { Unreadable } from '../message/unreadable.ts';
import { isJsonObject, type JsonObject } from '../record/json.ts';
import { lastUpdatedOf } from '../record/envelope.ts';
import { sha256, wholeBody, type Letter } from './dead_letter.ts';

/** On the message that is sent again: the sequence of its dead letter. */
export const REPLAY_HEADER = 'Visage-Replay-Of';

export type Replayed = {
  readonly dataset: string;
  readonly identity: Identity;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** The log has it no more: this is the letter's copy. */
  readonly isFromLetter: boolean;
};

export type ReplayContext = {
  readonly root: string;
  /** The message of the log at the letter's sequence; undefined: it is gone. */
  readonly original: LogMessage | undefined;
  /** Is it a dataset of events, for sure? */
  readonly isEvents: (dataset: string) => boolean;
  /** Where the generation that is live began, in the log of the identity's shard: what was before it was folded anew then. 0: it is the first. */
  readonly rebuiltAt: (identity: Identity) => number;
  /** Somebody has named this very letter. */
  readonly isNamed: boolean;
};

/** @returns the message, or why there is none and what to do */
export function replayedMessage(letter: Letter, context: ReplayContext): Replayed | string {
  const target = targetOf(letter, context.root);
  if (typeof target === 'string') return target;
  if (target.dataset === PROFILE_TOKEN && !context.isNamed)
    return 'it is about a whole profile, and would delete what has come since: name its sequence if that is meant';
  if (letter.sequence! < context.rebuiltAt(target.identity) && !context.isNamed)
    return 'a rebuild has folded it anew since: what is allowed now counts already. Name its sequence to send it all the same';
  const isFromLetter = !isOriginal(context.original, letter, context.root);
  const body = isFromLetter ? wholeBody(letter) : context.original!.body;
  if (body === undefined) return 'the log has it no more, and the letter has only a part of its body: publish it from its source';
  const sent = isFromLetter ? headersInLetter(letter) : headersOf(context.original!);
  if (sent === undefined) return 'its headers cannot be read: publish it from its source';
  const headers: Record<string, string> = { ...sent, [REPLAY_HEADER]: String(letter.deadSequence) };
  const isRecord = target.dataset !== PROFILE_TOKEN && !context.isEvents(target.dataset);
  if (isRecord && !saysLastUpdated(headers, body)) headers[LAST_UPDATED_HEADER] = letter.time;
  return { ...target, body, headers, isFromLetter };
}

function targetOf(letter: Letter, root: string): Pick<Replayed, 'dataset' | 'identity'> | string {
  const wrong = `its subject is wrong: publish it under the right one ('visage dead show ${letter.deadSequence} --body' has its body)`;
  const parts = splitSubject(letter.subject, `${root}.in.`.length);
  if (letter.sequence === null || parts === undefined) return wrong;
  const id = decodeId(parts.token);
  if (id === undefined) return wrong;
  if (isBlockedId(id)) return 'its id is blocked (blank, null, anonymous, invalid, undefined): publish it under a real one';
  const { dataset, namespace } = parts;
  try {
    inputSubject(root, dataset, { namespace, id });
  } catch {
    return wrong; // a token that is no name
  }
  return { dataset, identity: { namespace, id } };
}

/** A log that was made again has another message there. */
function isOriginal(original: LogMessage | undefined, letter: Letter, root: string): boolean {
  if (original === undefined || sha256(original.body) !== letter.bodySha256) return false;
  const input = original.subject.slice(`${root}.log.`.length).replace(/^\d+\./, ''); // from `in.` on
  return `${root}.${input}` === letter.subject;
}

/** Without those that speak to the server about the first message. Undefined: they cannot be read. */
function headersOf(message: LogMessage): Record<string, string> | undefined {
  try {
    return own(message.headers?.() ?? {});
  } catch {
    return undefined;
  }
}

function headersInLetter({ headers, headersTruncated, headersUnreadable }: Letter): Record<string, string> | undefined {
  return headersTruncated === true || headersUnreadable === true ? undefined : own(headers ?? {});
}

function own(headers: Readonly<Record<string, string>>): Record<string, string> {
  const isOwn = (name: string): boolean => !/^nats-/i.test(name) && name.toLowerCase() !== REPLAY_HEADER.toLowerCase();
  return Object.fromEntries(Object.entries(headers).filter(([name]) => isOwn(name)));
}

function saysLastUpdated(headers: Readonly<Record<string, string>>, body: Uint8Array): boolean {
  if (Object.keys(headers).some((name) => name.toLowerCase() === LAST_UPDATED_HEADER.toLowerCase())) return true;
  const record = recordIn(body);
  return record !== undefined && lastUpdatedOf(record) !== undefined;
}

/** Undefined: there is none, and it will be refused again. */
function recordIn(body: Uint8Array): JsonObject | undefined {
  try {
    const record = beginsAsMap(body) ? unpackMap(body) : (JSON.parse(Buffer.from(body).toString()) as unknown);
    return isJsonObject(record) && !(record instanceof Unreadable) ? record : undefined;
  } catch {
    return undefined;
  }
}
