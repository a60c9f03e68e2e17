// Waiting for a state, with a deadline. Never a sleep for luck.
import { setTimeout as delay } from 'node:timers/promises';

type Truthy<T> = Exclude<T, undefined | null | false | 0 | ''>;

/** Looks again and again until `look` gives something true; returns it. An error of `look` counts as: not yet.
 *  @throws Error that says what was waited for, and the last error */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  options: { timeoutMs?: number; everyMs?: number } = {},
): Promise<Truthy<T>> {
  const { timeoutMs = 15_000, everyMs = 20 } = options;
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found) return found as Truthy<T>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause });
    await delay(everyMs);
  }
}

/** The promise's value, or an error after `timeoutMs`. */
export async function within<T>(what: string, timeoutMs: number, promise: Promise<T>): Promise<T> {
  const timeout = new AbortController();
  try {
    return await Promise.race([
      promise,
      delay(timeoutMs, undefined, { signal: timeout.signal }).then(() => {
        throw new Error(`not within ${timeoutMs} ms: ${what}`);
      }),
    ]);
  } finally {
    timeout.abort();
  }
}

/** What the promise rejects with. @throws Error when it resolves */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error & { readonly code?: string };
  }
  throw new Error('it was expected to fail');
}
