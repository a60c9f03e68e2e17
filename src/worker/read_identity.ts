// Reads what the log has about one identity, up to a sequence.
// RI1: it ends: at the sequence, after so many messages, or as soon as `ended` says why. RI2: the reader is closed in any case.
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { VisageError } from '../base/errors.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { LogBatch, LogReader } from '../ports/log.ts';
import type { IdentityLog } from '../stream/identity_log.ts';

const MESSAGES_MAX = 200_000;
const LOOK_MS_MIN = 10;
const LOOK_MS_MAX = 250;

export type ReadIdentityOptions = {
  readonly log: IdentityLog;
  readonly shard: number;
  readonly key: IdentityKey;
  /** Was the identity ever deleted or erased? */
  readonly deleted: boolean;
  /** The last sequence that is wanted; the log has got that far. */
  readonly through: number;
  /** Why reading must not go on; looked at every now and then. */
  readonly ended: () => VisageError | undefined;
};

/** @throws what `ended` says · VisageError `stream_changed` (retry), `too_much_history` (refuse) · what `take` throws */
export async function readIdentity(options: ReadIdentityOptions, take: (message: LogMessage) => Promise<void>): Promise<void> {
  const opening = options.log.open(options.shard, options.key, options.deleted);
  const reader = await opened(opening, options.ended);
  try {
    await readThrough(reader, options, take);
  } finally {
    await reader.close();
  }
}

/** A reader tries until the server is there. */
async function opened(opening: Promise<LogReader>, ended: ReadIdentityOptions['ended']): Promise<LogReader> {
  for (;;) {
    const reader = await Promise.race([opening, delay(LOOK_MS_MAX)]);
    const why = ended();
    if (why === undefined && reader !== undefined) return reader;
    if (why === undefined) continue;
    opening.then(
      (late) => late.close(),
      () => undefined, // nobody waits for it any more
    );
    throw why;
  }
}

async function readThrough(
  reader: LogReader,
  { through, ended }: ReadIdentityOptions,
  take: (message: LogMessage) => Promise<void>,
): Promise<void> {
  let read = 0;
  for (;;) {
    const batch = await nextBatch(reader, through, ended);
    if (batch === null) return;
    for (const message of batch.messages) {
      if (message.sequence > through) return;
      if (++read > MESSAGES_MAX) throw tooMuch();
      await take(message);
    }
    if (batch.pending === 0 || batch.messages.at(-1)!.sequence === through) return;
    await setImmediate(); // others have their turn between two batches
  }
}

/** Null: the log has nothing more up to `through`. */
async function nextBatch(reader: LogReader, through: number, ended: ReadIdentityOptions['ended']): Promise<LogBatch | null> {
  const next = reader.next();
  for (let waitMs = LOOK_MS_MIN; ; waitMs = Math.min(2 * waitMs, LOOK_MS_MAX)) {
    const batch = await Promise.race([next, delay(waitMs, 'look' as const)]);
    const why = ended();
    if (why !== undefined) throw why;
    if (batch !== 'look') return batch;
    // a server that does not answer must not keep us from looking at the time; the reader recovers by itself
    const reached = await Promise.race([reader.readThrough().catch(() => undefined), delay(LOOK_MS_MAX)]);
    if (reached !== undefined && reached >= through) return null;
  }
}

function tooMuch(): VisageError {
  const text = `the log has more than ${MESSAGES_MAX} messages about this profile: too many to be read`;
  return new VisageError('too_much_history', text, { kind: 'refuse' });
}
