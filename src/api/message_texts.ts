// The messages in the body of a request: one JSON object, an array of them, lines (NDJSON), or the batch of the reference product's inlet,
// `{ "messages": [ … ] }` of envelopes. MT1: each is cut out as it stands, and parsed by whoever takes it: numbers keep their digits, and a
// large array is never in memory as objects. MT2: no error repeats anything of the body.
import { VisageError } from '../base/errors.ts';
import { elementsOf } from '../message/json_members.ts';

export const MESSAGES_MAX = 10_000;

const utf8 = new TextDecoder('utf-8', { fatal: true }); // drops a byte order mark
/** As XE1 of message/xdm_envelope.ts has it, as far as can be told without parsing. */
const BATCH = /^\s*\{\s*"messages"\s*:\s*(?=\[)/;
const ENVELOPE = /^\{\s*"(?:header|body)"\s*:/;
const NOTHING = /^\s*$/;
const END_OF_BATCH = /^\s*\}\s*$/;

/** @throws VisageError `malformed`, `no_messages`, `too_many_messages` (refuse) */
export function messageTexts(body: Uint8Array, format: 'json' | 'ndjson'): readonly string[] {
  const text = decoded(body);
  const texts = format === 'json' ? ofJson(text) : linesOf(text);
  if (texts.length === 0) throw refuse('no_messages', 'the body has no messages');
  if (texts.length > MESSAGES_MAX) throw refuse('too_many_messages', `a request has at most ${MESSAGES_MAX} messages`);
  return texts;
}

function decoded(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch {
    throw refuse('malformed', 'the body is not valid UTF-8');
  }
}

function ofJson(text: string): readonly string[] {
  const begin = text.search(/\S/);
  if (begin < 0) return [];
  if (text[begin] === '[') return array(text, begin, NOTHING) ?? malformed();
  const batch = BATCH.exec(text)?.[0];
  const envelopes = batch === undefined ? undefined : array(text, batch.length, END_OF_BATCH);
  // a payload may have a field `messages` too
  return envelopes?.every((each) => ENVELOPE.test(each)) === true ? envelopes : [text];
}

/** Undefined: it is none, or is not followed by what must stand behind it. */
function array(text: string, start: number, behind: RegExp): readonly string[] | undefined {
  const found = elementsOf(text, start, MESSAGES_MAX);
  if (found === undefined) return undefined;
  return found.texts.length > MESSAGES_MAX || behind.test(text.slice(found.end)) ? found.texts : undefined;
}

/** Blank lines are none. */
function linesOf(text: string): readonly string[] {
  const lines: string[] = [];
  for (let start = 0; start < text.length && lines.length <= MESSAGES_MAX;) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end).trim();
    if (line !== '') lines.push(line);
    start = end + 1;
  }
  return lines;
}

function malformed(): never {
  throw refuse('malformed', 'the body is not JSON');
}

function refuse(code: string, message: string): VisageError {
  return new VisageError(code, message, { kind: 'refuse' });
}
