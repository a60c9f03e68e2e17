// Everything that a stream has under a subject, as of now, in order.
// ES1: it ends, also when the message that was the last one is removed meanwhile.
import type { NatsConnection } from '@nats-io/transport-node';
import type { LogMessage } from '../message/log_message.ts';
import type { LogBatch } from '../ports/log.ts';
import { PartitionReader } from './partition_reader.ts';
import { answerOf, jetstreamManagerOf } from './streams.ts';

const LOOK_MS = 100;

export type Scan = {
  readonly nc: NatsConnection;
  readonly stream: string;
  /** Subjects, with or without wildcards, that do not overlap. */
  readonly filter: readonly string[];
  /** Not past this sequence; default: not past what is there when it begins. */
  readonly through?: number;
};

/** Cost: one request a subject when there is nothing; else that of reading. @throws VisageError `unavailable`, `stream_changed` (retry) */
export async function* scanStream({ nc, stream, filter, through = Infinity }: Scan): AsyncGenerator<LogMessage> {
  const jsm = await jetstreamManagerOf(nc);
  const lasts = filter.map(async (subject) => {
    const found = await answerOf(`the end of ${stream}`, jsm.streams.getMessage(stream, { last_by_subj: subject }));
    return found?.seq ?? 0;
  });
  const last = Math.min(Math.max(...(await Promise.all(lasts))), through);
  if (last === 0) return;
  const reader = await PartitionReader.open({ nc, stream, filter: filter.length === 1 ? filter[0]! : filter, after: 0 });
  try {
    for (;;) {
      const batch = await nextOrEnd(reader, last);
      for (const message of batch?.messages ?? []) {
        if (message.sequence > last) return;
        yield message;
      }
      if (batch === null || batch.messages.at(-1)!.sequence >= last) return;
    }
  } finally {
    await reader.close();
  }
}

async function nextOrEnd(reader: PartitionReader, last: number): Promise<LogBatch | null> {
  const next = reader.next();
  for (;;) {
    const look = Promise.withResolvers<'look'>();
    const timer = setTimeout(() => look.resolve('look'), LOOK_MS);
    const batch = await Promise.race([next, look.promise]);
    clearTimeout(timer);
    if (batch !== 'look') return batch;
    const reached = await reader.readThrough().catch(() => undefined); // the reader recovers by itself
    if (reached !== undefined && reached >= last) return null;
  }
}
