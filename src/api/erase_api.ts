// Erasures over NATS request and reply: `<root>.api.erase`, as in nats_api.ts.
// EA1: nothing of a request is logged: it names a person.
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { VisageError } from '../base/errors.ts';
import { apiSubject } from '../message/subject.ts';
import type { EraseQuery, EraseService } from '../ports/erase_service.ts';
import { WORKERS_QUEUE } from './forward.ts';
import { mayAnswer } from './may_answer.ts';

const IN_FLIGHT_MAX = 1_000;

export interface EraseApi {
  /** Takes no more requests. */
  close(): void;
}

/** `onDefect` hears of errors that are no VisageError. */
export function serveEraseApi(options: {
  nc: NatsConnection;
  root: string;
  service: EraseService;
  onDefect: (error: unknown) => void;
}): EraseApi {
  const { nc, root, service, onDefect } = options;
  let inFlight = 0;
  const answer = async (message: Msg): Promise<unknown> => {
    if (inFlight >= IN_FLIGHT_MAX)
      throw new VisageError('too_many_erasures', 'too many erasures are asked for at once; try again', { kind: 'retry' });
    inFlight++;
    try {
      return await service.erase(queryOf(message));
    } finally {
      inFlight--;
    }
  };
  const subscription = nc.subscribe(apiSubject(root, 'erase'), {
    queue: WORKERS_QUEUE,
    callback: (error, message) => {
      if (error !== null || !mayAnswer(root, message)) return;
      answer(message)
        .then((ok) => void message.respond(JSON.stringify({ ok })))
        .catch((thrown: unknown) => {
          if (nc.isClosed()) return; // nobody can be told any more
          if (!(thrown instanceof VisageError)) onDefect(thrown);
          message.respond(JSON.stringify({ error: errorOf(thrown) }));
        })
        .catch(onDefect);
    },
  });
  return { close: () => subscription.unsubscribe() };
}

function queryOf(message: Msg): EraseQuery {
  let data: unknown;
  try {
    data = JSON.parse(message.string());
  } catch {
    data = null; // said below
  }
  return eraseQuery(data);
}

/** @throws VisageError `bad_request` (usage) */
export function eraseQuery(data: unknown): EraseQuery {
  const { namespace, id } = (typeof data === 'object' ? (data ?? {}) : {}) as Partial<Record<keyof EraseQuery, unknown>>;
  if (typeof namespace !== 'string' || typeof id !== 'string')
    throw new VisageError('bad_request', 'namespace and id must be strings', { kind: 'usage' });
  return { namespace, id };
}

function errorOf(thrown: unknown): { code: string; message: string; kind?: string } {
  if (thrown instanceof VisageError) return { code: thrown.code, message: thrown.message, kind: thrown.kind };
  return { code: 'defect', message: 'the worker could not answer; its log says why' };
}
