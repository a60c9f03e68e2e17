// One way to the administration API of JetStream, without its check (workers have no rights on it).
import { JetStreamApiError, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { NoRespondersError, TimeoutError, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { notAllowed } from './permission.ts';

/** For what is sent again or asked again anyway: an answer that takes longer is lost. A leader that steps down drops what was on its
 *  way to it, and whoever waits for that any longer stands still. */
export const ANSWER_MS_MAX = 2_000;

/** @param timeout how long to wait for an answer; default: the client's, 5 s */
export function jetstreamManagerOf(nc: NatsConnection, timeout?: number): Promise<JetStreamManager> {
  return jetstreamManager(nc, { checkAPI: false, ...(timeout !== undefined && { timeout }) });
}

/** Waits for an answer of the server. That there is none is a failure to try again, not a defect.
 *  @param question a function is asked again while a cluster elects a leader: for what no statechart would ask again, and may be asked twice
 *  @throws VisageError `unavailable` (retry), `not_allowed` (retry), or the one that came */
export async function answerOf<T>(what: string, question: Promise<T> | (() => Promise<T>)): Promise<T> {
  try {
    return await (typeof question === 'function' ? askAgain(question) : question);
  } catch (cause) {
    if (cause instanceof VisageError) throw cause;
    const denied = notAllowed(cause);
    if (denied !== undefined) throw new VisageError(denied.code, denied.message, { cause, kind: 'retry' }); // until somebody gives the right
    throw new VisageError('unavailable', `${what} cannot be read: ${errorText(cause)}`, { cause, kind: 'retry' });
  }
}

/** The others notice after four to nine seconds that a leader is gone, and then elect one. */
const ELECTION_MS_MAX = 15_000;
const AGAIN_MS = 250;

/** Asks until there is an answer, be it an error, or no election would take so long. The question must allow to be asked twice.
 *  @throws the last error */
export async function askAgain<T>(question: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + ELECTION_MS_MAX;
  for (;;) {
    try {
      return await question();
    } catch (error) {
      if (!mayPass(error) || performance.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** What servers say while there is no leader, or not enough of them have met: incomplete results, no suitable peers, temporarily
 *  unavailable, not the leader, no resources, stream or consumer offline. Not every 5xx: that replicas need a cluster is one too. */
const ELECTING: ReadonlySet<number> = new Set([10004, 10005, 10008, 10009, 10023, 10118, 10119]);

/** The question reached nobody who could answer it, or its answer was lost. */
export function mayPass(thrown: unknown): boolean {
  for (let at = thrown; at instanceof Error; at = at.cause) {
    if (at instanceof TimeoutError || at instanceof NoRespondersError) return true;
    if (at instanceof JetStreamApiError && ELECTING.has(at.code)) return true;
  }
  return false;
}

/** RFC 3339 with nanoseconds → milliseconds, as the acknowledgement subject gives them. */
export function stampOf(time: string | Date): number {
  return typeof time === 'string' ? Math.floor(Date.parse(time.replace(/(\.\d{3})\d*/, '$1'))) : time.getTime();
}
