// Brings a store up to the end of a generation, or to the beginning of one: folds the log into it, and emits nothing.
// RF1: what is in the store afterwards is the fold of every message before `until`, and its meta says so (`endedBy`).
// RF2: it can be interrupted at any time: the next call goes on from the last checkpoint.
import { VisageError } from '../base/errors.ts';
import type { LastCommit } from '../ports/change_sink.ts';
import type { LogReader } from '../ports/log.ts';
import { StoreFold, type StoreFoldOptions } from './store_fold.ts';

export type RefoldOptions = StoreFoldOptions & {
  /** The sequence of a generation message: the first that is not folded. */
  readonly until: number;
  /** The shard's last commit: nothing past it is stored. */
  readonly last: LastCommit;
  /** Ends it at once: what waits for the server must not keep a worker from stopping. */
  readonly signal: AbortSignal;
};

/** Cost: that of a replay. @returns how many messages it refused, of those that it folded now
 *  @throws VisageError `stopped` (retry), and what the fold throws */
export async function refold(options: RefoldOptions): Promise<number> {
  const { store, until } = options;
  const meta = store.readMeta();
  if (meta?.endedBy === until) return 0;
  const run = new StoreFold(options);
  const fold = await run.begin();
  const { signal, last, shard } = options;
  const reader = await unlessAborted(signal, options.shard.log.open(fold.applied));
  const close = (): void => void reader.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    for (;;) {
      const batch = await reader.next();
      if (batch === null || signal.aborted)
        throw new VisageError('stopped', `shard ${shard.shard} is stopping`, { kind: 'retry' });
      if ((await run.take(batch.messages, until - 1)) < batch.messages.length) break;
      if (run.isFull) await run.checkpoint(last, null);
    }
  } finally {
    signal.removeEventListener('abort', close);
    await reader.close();
  }
  await run.checkpoint(last, until);
  return fold.counters.refused;
}

/** A reader that opens after all is closed again. */
export function unlessAborted(signal: AbortSignal, opening: Promise<LogReader>): Promise<LogReader> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      opening.then((late) => late.close()).catch(() => undefined);
      reject(new VisageError('stopped', 'the shard is stopping', { kind: 'retry' }));
    };
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    opening
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', stop))
      .catch(() => undefined);
  });
}
