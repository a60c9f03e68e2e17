// Refused messages, stored with every reason.
// DL1: at least once, under a stable id `<shard>-<sequence>`: the server drops a repetition inside its duplicate window.
import { createHash } from 'node:crypto';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { formatTime } from '../base/time.ts';
import { deadSubject, shardLogPrefix, type Topology } from '../message/subject.ts';
import type { DeadLetterRecord, DeadLetterSink } from '../ports/change_sink.ts';

const BODY_BYTES_MAX = 64 * 1024;
const TIMEOUT_MS = 5_000;
const RETRY_MAX_MS = 2_000;

export function openDeadLetters(options: { nc: NatsConnection; topology: Topology; shard: number }): DeadLetterSink {
  const { nc, topology, shard } = options;
  let closed = false;
  return {
    async send(letter) {
      const h = headers();
      h.set('Nats-Msg-Id', `${shard}-${letter.message.sequence}`);
      const body = encodeLetter(letter, topology, shard);
      for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
        if (closed) throw new VisageError('stopped', 'the shard is stopping', { kind: 'retry' });
        try {
          const ack: { error?: { description?: string } } = (
            await nc.request(deadSubject(topology.root, shard, letter.dataset), body, { headers: h, timeout: TIMEOUT_MS })
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

/** The shape that `docs/` promises: reason, errors, and the message as it came. */
function encodeLetter(letter: DeadLetterRecord, topology: Topology, shard: number): string {
  const { message } = letter;
  const kept = message.body.subarray(0, BODY_BYTES_MAX);
  return JSON.stringify({
    reason: letter.reason,
    errors: letter.errors,
    subject: `${topology.root}.in.${message.subject.slice(shardLogPrefix(topology.root, shard).length + 3)}`,
    dataset: letter.dataset,
    sequence: message.sequence,
    time: formatTime(letter.timeMs),
    headers: message.headers?.() ?? {},
    ...bodyOf(kept),
    ...(kept.length < message.body.length ? { truncated: true } : {}),
    bodySha256: createHash('sha256').update(message.body).digest('hex'),
  });
}

function bodyOf(bytes: Uint8Array): { body: string } | { bodyBase64: string } {
  try {
    return { body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { bodyBase64: Buffer.from(bytes).toString('base64') };
  }
}
