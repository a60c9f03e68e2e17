// A message as the caller gives it: its bytes, the JSON in it, its headers.
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { beginsAsMap, CONTENT_TYPE_HEADER, MESSAGE_PACK, unpackMap } from '../message/message_pack.ts';
import { Unreadable } from '../message/unreadable.ts';
import { packMap } from '../message/write_message_pack.ts';

export type Body = object | string | Uint8Array;
/** How objects are written. */
export type Encoding = 'json' | 'msgpack';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Bytes around the header lines, and around the name and the value in one: `NATS/1.0␍␊` … `␍␊`; `: ` and `␍␊`. */
const HEADERS_FRAME = 12;
const LINE_FRAME = 4;

/** Texts and bytes are sent as they are. @throws VisageError `malformed` (refuse) */
export function encodeBody(body: Body, encoding: Encoding): string | Uint8Array {
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  if (encoding === 'msgpack') return pack(body);
  let text: string | undefined;
  try {
    text = JSON.stringify(body); // undefined, whatever its type says, for what JSON has no word for
  } catch {
    // a circle, a BigInt, a toJSON that throws; without its cause: that would quote the body
  }
  if (text !== undefined) return text;
  throw new VisageError('malformed', 'the body cannot be written as JSON', { kind: 'refuse' });
}

function pack(body: object): Uint8Array {
  try {
    return packMap(body);
  } catch (error) {
    if (error instanceof VisageError) throw error;
    // a toJSON that throws; without its cause: that would quote the body
    throw new VisageError('malformed', 'the body cannot be written as MessagePack', { kind: 'refuse' });
  }
}

/** The header that a MessagePack body needs, where nobody has given one: bytes that begin as a map of it can be nothing else. */
export function contentTypeOf(bytes: string | Uint8Array, given: Readonly<Record<string, string>> = {}): Record<string, string> {
  if (typeof bytes === 'string' || !beginsAsMap(bytes)) return {};
  const isGiven = Object.keys(given).some((name) => name.toLowerCase() === CONTENT_TYPE_HEADER.toLowerCase());
  return isGiven ? {} : { [CONTENT_TYPE_HEADER]: MESSAGE_PACK };
}

/** @throws VisageError `malformed` (refuse) */
export function readBody(body: Body): unknown {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) return body;
  if (typeof body !== 'string' && beginsAsMap(body)) {
    const map = unpackMap(body);
    if (!(map instanceof Unreadable)) return map;
    throw new VisageError('malformed', 'the body is not MessagePack, so no identity can be read from it', { kind: 'refuse' });
  }
  try {
    return JSON.parse(typeof body === 'string' ? body : utf8.decode(body)) as unknown;
  } catch {
    // without its cause: that would quote the body
    throw new VisageError('malformed', 'the body is not JSON, so no identity can be read from it', { kind: 'refuse' });
  }
}

/** @throws VisageError `bad_header` (usage) */
export function headersOf(given: Readonly<Record<string, string>>, messageId: string): MsgHdrs {
  // the server takes a blank one for none and would store a repetition again
  if (messageId.trim() === '') throw new VisageError('bad_header', 'a message id must not be blank', { kind: 'usage' });
  const all = headers();
  try {
    for (const [name, value] of Object.entries(given)) all.set(name, value);
    all.set('Nats-Msg-Id', messageId);
  } catch (cause) {
    throw new VisageError('bad_header', `a header cannot be sent: ${errorText(cause)}`, { kind: 'usage' });
  }
  return all;
}

/** What the server counts against its `max_payload`: headers too. */
export function sizeOf(body: string | Uint8Array, sent: MsgHdrs): number {
  let size = HEADERS_FRAME + (typeof body === 'string' ? Buffer.byteLength(body) : body.length);
  for (const [name, values] of sent)
    for (const value of values) size += Buffer.byteLength(name) + Buffer.byteLength(value) + LINE_FRAME;
  return size;
}
