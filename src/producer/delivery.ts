// One message on its way into the log, and what an answer of the server means for it.
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { VisageError } from '../base/errors.ts';
import type { Identity } from '../message/identity.ts';

/** What `send` resolves with: the log has it. `duplicate`: it had it already, under the same message id. */
export type Sent = {
  readonly shard: number;
  readonly sequence: number;
  readonly duplicate: boolean;
  readonly identity: Identity;
};

export type Delivery = {
  /** Ascending in the order of `send`. */
  readonly id: number;
  readonly subject: string;
  readonly body: string | Uint8Array;
  readonly headers: MsgHdrs;
  /** In bytes, with headers and subject. */
  readonly size: number;
  readonly shard: number;
  readonly identity: Identity;
  readonly resolve: (sent: Sent) => void;
  readonly reject: (error: VisageError) => void;
  /** Monotonic; 0 before the first attempt. */
  firstSentMs: number;
  lastSentMs: number;
  /** Not sent again before; 0: the last attempt was not refused. */
  retryAtMs: number;
  /** An attempt went without a clear answer: it may be stored. */
  unclear: boolean;
  /** The last refusal that may pass. */
  lastRefusal: VisageError | undefined;
};

/** `in_process`: an earlier attempt of this message is being stored right now, or was lost on the way. */
type Later = 'log_full' | 'no_responders' | 'unavailable' | 'in_process';

export type Answer =
  | { readonly kind: 'stored'; readonly sequence: number; readonly duplicate: boolean }
  /** Not stored by this attempt; it may be later. */
  | { readonly kind: 'later'; readonly why: Later; readonly text: string }
  /** `too_large` is about this message alone; of `refused` nobody knows whether the next message fares better. */
  | { readonly kind: 'refused'; readonly code: 'refused' | 'too_large'; readonly text: string };

/** What passes when space is made: the limits of the account, of the server's memory and storage, of the stream. */
const NO_SPACE = new Set([10002, 10028, 10047, 10077]);
/** This message id, or one that its expected last sequence depends on, is being stored: not decided yet. */
const IN_PROCESS = new Set([10158, 10164]);
const OVER_STREAM_MAXIMUM = 10054;
/** Beside everything from 500 on: trouble of the server is never about the message. */
const PASSING = new Set([408, 429]);

export function answerOf(message: Pick<Msg, 'data' | 'headers' | 'json'>): Answer {
  if (message.data.length === 0 && message.headers?.code === 503)
    return { kind: 'later', why: 'no_responders', text: 'no stream takes the message' };
  let ack: { seq?: number; duplicate?: boolean; error?: { code?: number; err_code?: number; description?: string } } | null;
  try {
    ack = message.json();
  } catch {
    ack = null;
  }
  if (typeof ack !== 'object' || ack === null)
    return { kind: 'refused', code: 'refused', text: 'the answer is not an acknowledgement of JetStream' };
  if (ack.error === undefined && typeof ack.seq === 'number')
    return { kind: 'stored', sequence: ack.seq, duplicate: ack.duplicate === true };
  const text = ack.error?.description ?? 'no sequence in the answer';
  const { code = 0, err_code: errCode = 0 } = ack.error ?? {};
  if (NO_SPACE.has(errCode)) return { kind: 'later', why: 'log_full', text };
  if (IN_PROCESS.has(errCode)) return { kind: 'later', why: 'in_process', text };
  if (code >= 500 || PASSING.has(code)) return { kind: 'later', why: 'unavailable', text };
  return { kind: 'refused', code: errCode === OVER_STREAM_MAXIMUM ? 'too_large' : 'refused', text };
}

/** Why a message is given up: what is sure to be outside of the log is never called unknown.
 *  @param when e.g. `within 90 s` */
export function givenUp(delivery: Pick<Delivery, 'unclear' | 'retryAtMs' | 'lastRefusal'>, when: string): VisageError {
  if (!delivery.unclear && delivery.retryAtMs > 0 && delivery.lastRefusal !== undefined) return delivery.lastRefusal;
  return new VisageError(
    'unknown',
    `no clear answer from the log ${when}: the message may be stored or not; sent again with the same _id it counts once`,
    { kind: 'retry' },
  );
}
