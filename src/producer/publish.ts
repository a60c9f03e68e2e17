// Publishes one message and hears where it went.
// PB1: never a publish that hears nothing: the acknowledgement is awaited, and an unclear answer is said to be unclear.
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { identityKey, partitionOf, type Identity } from '../message/identity.ts';
import { inputSubject } from '../message/subject.ts';

const TIMEOUT_MS = 5_000;
const LOG_FULL = 10077;

export type PublishTarget = {
  readonly nc: NatsConnection;
  readonly root: string;
  readonly logStream: string;
  readonly partitions: number;
};
export type Published = { readonly shard: number; readonly sequence: number };

/** Publishes `body` about `identity` to `dataset`; resolves when the log has stored it.
 *  @throws VisageError `bad_identity`, `bad_dataset` (usage) · `log_full`, `unknown` (retry: it may be stored or not) · `refused` */
export async function publish(
  target: PublishTarget,
  dataset: string,
  identity: Identity,
  body: string | Uint8Array,
  messageId?: string,
): Promise<Published> {
  const subject = inputSubject(target.root, dataset, identity);
  const h = headers();
  if (messageId !== undefined) h.set('Nats-Msg-Id', messageId);
  let ack: { stream?: string; seq?: number; error?: { err_code?: number; description?: string } };
  try {
    ack = (
      await target.nc.request(subject, body, { timeout: TIMEOUT_MS, ...(messageId === undefined ? {} : { headers: h }) })
    ).json();
  } catch (cause) {
    if (/no responders/i.test(errorText(cause)))
      throw new VisageError('refused', `no stream takes ${dataset} messages of root '${target.root}'; run 'visage setup' first`, {
        cause,
      });
    throw new VisageError('unknown', `no answer from the log: the message may be stored or not (${errorText(cause)})`, {
      cause,
      kind: 'retry',
    });
  }
  if (ack.error !== undefined || ack.seq === undefined) {
    const full = ack.error?.err_code === LOG_FULL;
    throw new VisageError(
      full ? 'log_full' : 'refused',
      `the log refused the message: ${ack.error?.description ?? 'no sequence'}`,
      { kind: full ? 'retry' : 'refuse' },
    );
  }
  return { shard: partitionOf(identityKey(identity), target.partitions), sequence: ack.seq };
}
