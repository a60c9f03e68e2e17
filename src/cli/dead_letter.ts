// A dead letter as it is read, chosen and shown. DE1: what is printed cannot steer a terminal: control characters of a body are escaped.
import { createHash } from 'node:crypto';
import { formatTime } from '../base/time.ts';
import type { LogMessage } from '../message/log_message.ts';
import { beginsAsMap, unpackMap } from '../message/message_pack.ts';
import type { RefusalReason, Violation } from '../message/refusal.ts';
import { Unreadable } from '../message/unreadable.ts';
import type { Client } from '../worker/client.ts';
import { prettyJson } from './pretty_json.ts';

/** What a worker wrote, or what the log did not take. `sequence`: in the log; null: it never was there. */
export type Letter = {
  readonly deadSequence: number;
  readonly reason: RefusalReason;
  readonly errors: readonly Violation[];
  readonly errorsTotal?: number;
  readonly subject: string;
  readonly dataset: string | null;
  readonly sequence: number | null;
  readonly time: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly headersTruncated?: boolean;
  readonly headersUnreadable?: boolean;
  readonly body?: string;
  readonly bodyBase64?: string;
  readonly truncated?: boolean;
  readonly bodySha256?: string;
};

export type LetterFilter = { readonly reason?: RefusalReason; readonly dataset?: string };

/** Oldest first, as many as there are now. */
export async function* readLetters(client: Client, filter: LetterFilter = {}): AsyncGenerator<Letter> {
  const { root } = client.topology;
  for await (const message of client.readStream('dead', { from: 'start', until: 'now' })) {
    const letter = readLetter(message, root);
    if (filter.reason !== undefined && letter.reason !== filter.reason) continue;
    if (filter.dataset !== undefined && letter.dataset !== filter.dataset) continue;
    yield letter;
  }
}

/** A letter that a worker wrote; or a message that the log did not take because its subject has the wrong number of tokens. */
export function readLetter(message: LogMessage, root: string): Letter {
  const deadSequence = message.sequence;
  const text = new TextDecoder().decode(message.body);
  if (message.subject.startsWith(`${root}.dead.`)) return { deadSequence, ...(JSON.parse(text) as Omit<Letter, 'deadSequence'>) };
  const wrong = 'the subject must be <root>.in.<dataset>.<namespace>.<encoded id>: `visage subject` prints it';
  return {
    deadSequence,
    reason: 'bad_subject',
    errors: [{ pointer: '/subject', keyword: 'bad_subject', message: wrong }],
    subject: message.subject,
    dataset: null,
    sequence: null,
    time: formatTime(message.stampMs),
    ...bodyOf(message.body, text),
    bodySha256: sha256(message.body),
  };
}

function bodyOf(bytes: Uint8Array, text: string): { readonly body: string } | { readonly bodyBase64: string } {
  return Buffer.from(text).equals(bytes) ? { body: text } : { bodyBase64: Buffer.from(bytes).toString('base64') };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What the letter has kept of the body. */
export function keptBody({ body, bodyBase64 }: Letter): Uint8Array {
  return body === undefined ? Buffer.from(bodyBase64 ?? '', 'base64') : Buffer.from(body);
}

/** Undefined: the letter has only a part of it. */
export function wholeBody(letter: Letter): Uint8Array | undefined {
  const bytes = keptBody(letter);
  return letter.truncated !== true && sha256(bytes) === letter.bodySha256 ? bytes : undefined;
}

/** One line. */
export function summaryOf(letter: Letter): string {
  const reasons = letter.errors.map((error) => `${placeOf(error)}: ${error.message}`).join('; ');
  return printable(`${letter.deadSequence}  ${letter.time}  ${letter.reason}  ${letter.subject}  ${whereOf(letter)}  ${reasons}`);
}

/** All of it: reasons one a line, the body indented. `replayed`: what is known of it. */
export function linesOf(letter: Letter, replayed: string): string[] {
  const { errors, errorsTotal = errors.length } = letter;
  const headers = Object.entries(letter.headers ?? {});
  const bytes = keptBody(letter);
  const cut = letter.truncated === true ? `, of which the letter has the first ${bytes.length}` : '';
  return [
    `dead letter ${letter.deadSequence}`,
    `  reason    ${letter.reason}`,
    `  subject   ${letter.subject}`,
    `  dataset   ${letter.dataset ?? '-'}`,
    `  log       ${whereOf(letter)}`,
    `  time      ${letter.time}`,
    ...headers.map(([name, value]) => `  header    ${name}: ${value}`),
    ...(letter.headersTruncated === true ? ['  header    … and more than the letter could hold'] : []),
    ...(letter.headersUnreadable === true ? ['  header    they cannot be read'] : []),
    `  replayed  ${replayed}`,
    'reasons',
    ...errors.map((error) => `  ${placeOf(error)}  ${error.keyword}  ${error.message}`),
    ...(errorsTotal > errors.length ? [`  … and ${errorsTotal - errors.length} more`] : []),
    `body: sha256 ${letter.bodySha256 ?? '-'}${cut}`,
    ...bodyLines(letter),
  ].map(printable);
}

function bodyLines({ body, bodyBase64 }: Letter): string[] {
  if (body === undefined) return binaryLines(bodyBase64 ?? '');
  if (body === '') return ['  (empty)'];
  return (prettyJson(body) ?? body).split('\n').map((line) => `  ${line}`);
}

function binaryLines(base64: string): string[] {
  const bytes = Buffer.from(base64, 'base64');
  const map = beginsAsMap(bytes) ? unpackMap(bytes) : undefined;
  if (map === undefined || map instanceof Unreadable) return [`  not UTF-8; in base64: ${base64}`];
  return [
    '  MessagePack; as JSON:',
    ...JSON.stringify(map, null, 2)
      .split('\n')
      .map((line) => `  ${line}`),
  ];
}

function placeOf({ pointer }: Violation): string {
  return pointer === '' ? 'body' : pointer;
}

function whereOf({ sequence }: Letter): string {
  return sequence === null ? 'not in the log' : `sequence ${sequence}`;
}

function printable(line: string): string {
  return line.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
