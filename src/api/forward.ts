// Asks the owner of a shard, or another worker, over NATS: how a worker answers for what is not its own.
// FW1: an answer is the owner's own, errors included; that nobody answers is an error to try again.
import type { NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError, type ErrorKind } from '../base/errors.ts';
import { apiSubject } from '../message/subject.ts';

type Answer = {
  readonly ok?: unknown;
  readonly error?: { readonly code: string; readonly message: string; readonly kind?: ErrorKind };
};

export interface Forward {
  /** @throws VisageError `shard_elsewhere` (retry): nobody has the shard just now · what the owner says */
  toShard(shard: number, verb: string, query: unknown, timeoutMs: number): Promise<unknown>;
  /** @param owner the process, as its entry names it. @throws VisageError `no_worker` (retry) */
  toWorker(owner: string, verb: string, timeoutMs: number): Promise<unknown>;
}

/** One worker of those that listen takes a request. */
export const WORKERS_QUEUE = 'workers';

export function shardSubject(root: string, shard: number, verb: string): string {
  return apiSubject(root, `shard.${shard}.${verb}`);
}

export function workerSubject(root: string, owner: string, verb: string): string {
  return apiSubject(root, `worker.${owner.replaceAll('.', '_')}.${verb}`);
}

/** What a worker answers to a question. @param unanswered makes the error of a question that has no answer
 *  @throws VisageError: what the worker says; what `unanswered` makes */
export async function askWorker(
  nc: NatsConnection,
  question: { readonly subject: string; readonly query: unknown; readonly timeoutMs: number },
  unanswered: (cause: unknown) => unknown,
): Promise<unknown> {
  const { subject, query, timeoutMs } = question;
  let answer: Answer;
  try {
    answer = (await nc.request(subject, JSON.stringify(query), { timeout: Math.max(1, timeoutMs) })).json();
  } catch (cause) {
    throw unanswered(cause);
  }
  if (answer.error === undefined) return answer.ok;
  const { code, message, kind = 'retry' } = answer.error;
  throw new VisageError(code, message, { kind });
}

export function forwarder(nc: NatsConnection, root: string): Forward {
  const ask = (subject: string, query: unknown, timeoutMs: number, nobody: () => VisageError): Promise<unknown> =>
    askWorker(nc, { subject, query, timeoutMs }, (cause) =>
      /no responders|timeout|disconnect|closed/i.test(errorText(cause)) ? nobody() : cause,
    );
  return {
    toShard: (shard, verb, query, timeoutMs) =>
      ask(
        shardSubject(root, shard, verb),
        query,
        timeoutMs,
        () => new VisageError('shard_elsewhere', `no worker has shard ${shard} just now; try again`, { kind: 'retry' }),
      ),
    toWorker: (owner, verb, timeoutMs) =>
      ask(
        workerSubject(root, owner, verb),
        {},
        timeoutMs,
        () => new VisageError('no_worker', 'a worker does not answer', { kind: 'retry' }),
      ),
  };
}
