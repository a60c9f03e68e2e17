// A message of a stream, as a reader hands it out.
import type { Msg } from '@nats-io/transport-node';
import type { LogMessage } from '../message/log_message.ts';

/** A message as it came: headers are parsed only for the few that need them. */
export class StoredMessage implements LogMessage {
  readonly sequence: number;
  readonly stampMs: number;
  readonly subject: string;
  readonly body: Uint8Array;
  private readonly raw: Msg;

  constructor(sequence: number, stampMs: number, raw: Msg) {
    this.sequence = sequence;
    this.stampMs = stampMs;
    this.subject = raw.subject;
    this.body = raw.data;
    this.raw = raw;
  }

  /** Three times as fast as a strict decoder. What is not valid shows as U+FFFD; so does a real one: the strict decoder then decides. */
  text(): string | undefined {
    const { buffer, byteOffset, byteLength } = this.body;
    const text = Buffer.from(buffer, byteOffset, byteLength).toString('utf8');
    return text.includes('\ufffd') ? undefined : text;
  }

  /** The size of a message is that of its subjects, its headers and its body; the client knows it, and does not say so in its types. */
  get headerBytes(): number {
    const raw = this.raw as Msg & { readonly size?: () => number };
    return (raw.size?.() ?? Infinity) - raw.subject.length - (raw.reply?.length ?? 0) - this.body.length;
  }

  headers(): Readonly<Record<string, string>> {
    return headersOf(this.raw);
  }
}

function headersOf(m: Msg): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, values] of m.headers ?? []) headers[name] = values.join(', ');
  return headers;
}
