// Publishes generated events, many at a time, each until the log has it.
// PA1: an unclear answer is followed by the same message under the same message id: the server drops the repetition.
import { headers } from '@nats-io/transport-node';
import { setTimeout as delay } from 'node:timers/promises';
import { identityKey } from '../../src/message/identity.ts';
import type { Connection } from '../../src/nats/connection.ts';

export type Sendable = {
  readonly dataset: string;
  readonly namespace: string;
  readonly id: string;
  readonly body: string | Uint8Array;
};
export type PublishAllOptions = {
  readonly nc: Connection;
  readonly root?: string;
  readonly inFlight?: number;
  /** At most this many a second; default: as many as go. */
  readonly perSecond?: number;
  readonly timeoutMs?: number;
};

let run = 0;

/** @returns the greatest sequence */
export async function publishAll(events: Iterable<Sendable>, options: PublishAllOptions): Promise<number> {
  const { nc, root = 'visage', inFlight = 500, perSecond = Infinity, timeoutMs = 2_000 } = options;
  const under = new Set<Promise<void>>();
  const prefix = `t${process.pid}-${++run}`;
  const startMs = performance.now();
  let greatest = 0;
  let failure: unknown;
  let n = 0;
  const one = async (event: Sendable, messageId: string): Promise<void> => {
    const subject = `${root}.in.${event.dataset}.${identityKey(event)}`;
    for (let tries = 1; ; tries++) {
      const h = headers();
      h.set('Nats-Msg-Id', messageId);
      try {
        const ack: { seq?: number; error?: { description?: string } } = (
          await nc.request(subject, event.body, { timeout: timeoutMs, headers: h })
        ).json();
        if (ack.seq === undefined) throw new Error(`refused: ${ack.error?.description}`);
        greatest = Math.max(greatest, ack.seq);
        return;
      } catch (error) {
        if (tries === 60) throw error;
        await delay(100);
      }
    }
  };
  for (const event of events) {
    const sent: Promise<void> = one(event, `${prefix}-${n}`)
      .catch((error: unknown) => void (failure = error))
      .finally(() => under.delete(sent));
    under.add(sent);
    n++;
    while (under.size >= inFlight) await Promise.race(under);
    const ahead = (n / perSecond) * 1000 - (performance.now() - startMs);
    if (ahead > 20) await delay(ahead);
    if (failure !== undefined) throw new Error('publishing failed', { cause: failure });
  }
  await Promise.all(under);
  if (failure !== undefined) throw new Error('publishing failed', { cause: failure });
  return greatest;
}
