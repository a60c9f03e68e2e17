// One way to the administration API of JetStream, without its check (workers have no rights on it).
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { notAllowed } from './permission.ts';

export function jetstreamManagerOf(nc: NatsConnection): Promise<JetStreamManager> {
  return jetstreamManager(nc, { checkAPI: false });
}

/** Waits for an answer of the server. That there is none is a failure to try again, not a defect.
 *  @throws VisageError `unavailable` (retry), `not_allowed` (retry), or the one that came */
export async function answerOf<T>(what: string, question: Promise<T>): Promise<T> {
  try {
    return await question;
  } catch (cause) {
    if (cause instanceof VisageError) throw cause;
    const denied = notAllowed(cause);
    if (denied !== undefined) throw new VisageError(denied.code, denied.message, { cause, kind: 'retry' }); // until somebody gives the right
    throw new VisageError('unavailable', `${what} cannot be read: ${errorText(cause)}`, { cause, kind: 'retry' });
  }
}

/** RFC 3339 with nanoseconds → milliseconds, as the acknowledgement subject gives them. */
export function stampOf(time: string | Date): number {
  return typeof time === 'string' ? Math.floor(Date.parse(time.replace(/(\.\d{3})\d*/, '$1'))) : time.getTime();
}
