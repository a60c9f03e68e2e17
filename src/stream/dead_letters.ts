// Refused messages, stored with every reason.
// DL1: at least once, under a stable id `<shard>-<sequence>`: the server drops a repetition inside its duplicate window.
// DL2: a letter is smaller than the server's largest message, whatever was refused: one that never gets out would stop its shard.
import { createHash } from 'node:crypto';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { formatTime } from '../base/time.ts';
import { deadSubject, shardLogPrefix, type Topology } from '../message/subject.ts';
import type { DeadLetterRecord, DeadLetterSink } from '../ports/change_sink.ts';
import { ANSWER_MS_MAX } from './streams.ts';

const BODY_BYTES_MAX = 64 * 1024;
const HEADERS_CHARS_MAX = 32 * 1024;
const ERRORS_CHARS_MAX = 32 * 1024;
const ROOM_BYTES = 1024; // for the letter's own headers
const RETRY_MAX_MS = 2_000;

export function openDeadLetters(options: { nc: NatsConnection; topology: Topology; shard: number }): DeadLetterSink {
  const { nc, topology, shard } = options;
  let closed = false;
  return {
    async send(letter) {
      const h = headers();
      h.set('Nats-Msg-Id', `${shard}-${letter.message.sequence}`);
      const bytesMax = (nc.info?.max_payload ?? Infinity) - ROOM_BYTES;
      let body = encodeLetter(letter, topology, shard, BODY_BYTES_MAX);
      if (Buffer.byteLength(body) > bytesMax) body = encodeLetter(letter, topology, shard, 0);
      for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
        if (closed) throw new VisageError('stopped', 'the shard is stopping', { kind: 'retry' });
        try {
          const ack: { error?: { description?: string } } = (
            await nc.request(deadSubject(topology.root, shard, letter.dataset), body, { headers: h, timeout: ANSWER_MS_MAX })
          ).json();
          if (ack.error === undefined) return;
        } catch (error) {
          if (nc.isClosed()) throw new VisageError('stopped', `the connection is closed: ${errorText(error)}`, { kind: 'retry' });
        }
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    },
    close: () => void (closed = true),
  };
}

/** The shape that `docs/` promises: reason, errors, and the message as it came; what was left out is said. */
function encodeLetter(letter: DeadLetterRecord, topology: Topology, shard: number, bodyBytesMax: number): string {
  const { message } = letter;
  const kept = message.body.subarray(0, bodyBytesMax);
  const errors = firstOf(letter.errors, ERRORS_CHARS_MAX);
  const all = headersOf(message);
  const some = firstOf(all ?? [], HEADERS_CHARS_MAX);
  return JSON.stringify({
    reason: letter.reason,
    errors,
    ...(errors.length < letter.errors.length ? { errorsTotal: letter.errors.length } : {}),
    subject: `${topology.root}.in.${message.subject.slice(shardLogPrefix(topology.root, shard).length + 3)}`,
    dataset: letter.dataset,
    sequence: message.sequence,
    time: formatTime(letter.timeMs),
    headers: Object.fromEntries(some),
    ...(all === undefined ? { headersUnreadable: true } : some.length < all.length ? { headersTruncated: true } : {}),
    ...bodyOf(kept),
    ...(kept.length < message.body.length ? { truncated: true } : {}),
    bodySha256: createHash('sha256').update(message.body).digest('hex'),
  });
}

/** Undefined when they are none: the server stores any bytes as headers, the client throws at them. */
function headersOf(message: DeadLetterRecord['message']): readonly [string, string][] | undefined {
  try {
    return Object.entries(message.headers?.() ?? {});
  } catch {
    return undefined;
  }
}

/** As many from the front as fit. */
function firstOf<T>(items: readonly T[], charsMax: number): readonly T[] {
  let chars = 0;
  const end = items.findIndex((item) => (chars += JSON.stringify(item).length) > charsMax);
  return end < 0 ? items : items.slice(0, end);
}

function bodyOf(bytes: Uint8Array): { body: string } | { bodyBase64: string } {
  try {
    return { body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { bodyBase64: Buffer.from(bytes).toString('base64') };
  }
}
