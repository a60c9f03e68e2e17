// Reading a stream up to where it ended when somebody looked.
import type { LogMessage } from '../message/log_message.ts';
import type { LogReader } from '../ports/log.ts';

/** How often it is asked whether there is more: a question to the server each. */
const LOOK_MS = 250;

/** The next messages, or null when the stream has nothing more for this reader up to `through`, or the reader was closed.
 *  @throws VisageError `stream_changed` (retry) */
export async function nextOrEnd(reader: LogReader, through: number): Promise<readonly LogMessage[] | null> {
  const next = reader.next();
  if (through === Infinity) return (await next)?.messages ?? null;
  for (;;) {
    const batch = await Promise.race([next, new Promise<'look'>((resolve) => setTimeout(() => resolve('look'), LOOK_MS))]);
    if (batch === null) return null;
    if (batch !== 'look') return batch.messages;
    const reached = await reader.readThrough().catch(() => undefined);
    if (reached === undefined || reached < through) continue;
    // what came while that was asked is not given up
    const last = await Promise.race([next, Promise.resolve('none' as const)]);
    if (last !== 'none') return last?.messages ?? null;
    next.catch(() => undefined); // nobody waits for it any more
    return null;
  }
}
