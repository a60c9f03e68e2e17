// Trying again what fails for now, until it succeeds or the user stops it.
// PT1: a missing right is no matter of trying again, even where a read reports it as `unavailable`.
import { errorText, VisageError } from '../base/errors.ts';

const AGAIN_MS = 100;
const AGAIN_MS_MAX = 2_000;

/** The user's signal came before the run began. */
export class Stopped extends Error {}

export function isForNow(error: unknown): boolean {
  return error instanceof VisageError && error.kind === 'retry' && !isMissingRight(error);
}

/** By name: this room does not see the NATS client. */
function isMissingRight(error: Error): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) if (at.name === 'PermissionViolationError') return true;
  return false;
}

export function* waits(): Generator<number, never> {
  for (let waitMs = AGAIN_MS; ; waitMs = Math.min(waitMs * 2, AGAIN_MS_MAX)) yield waitMs;
}

export class Patience {
  waitingFor: string | null = null;
  private readonly signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  /** @throws Stopped, and what is no matter of trying again */
  async until<T>(what: () => Promise<T>): Promise<T> {
    for (const waitMs of waits()) {
      try {
        const result = await this.unlessStopped(what());
        this.waitingFor = null;
        return result;
      } catch (error) {
        if (!isForNow(error)) throw error;
        this.waitingFor = errorText(error);
      }
      await this.pause(waitMs);
    }
    throw new Stopped(); // not reached
  }

  /** @throws Stopped */
  async pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await this.unlessStopped(new Promise((resolve) => (timer = setTimeout(resolve, ms))));
    } finally {
      clearTimeout(timer);
    }
  }

  private async unlessStopped<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this;
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    const stop = (): void => reject(new Stopped());
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      return await Promise.race([stopped, promise]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}
