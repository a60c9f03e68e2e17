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

export function forwarder(nc: NatsConnection, root: string): Forward {
  const ask = async (subject: string, query: unknown, timeoutMs: number, nobody: () => VisageError): Promise<unknown> => {
    let answer: Answer;
    try {
      answer = (await nc.request(subject, JSON.stringify(query), { timeout: Math.max(1, timeoutMs) })).json();
    } catch (cause) {
      if (/no responders|timeout|disconnect|closed/i.test(errorText(cause))) throw nobody();
      throw cause;
    }
    if (answer.error === undefined) return answer.ok;
    const { code, message, kind = 'retry' } = answer.error;
    throw new VisageError(code, message, { kind });
  };
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
