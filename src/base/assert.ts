// Assertions that stay on in production: what must hold, before and after the write.
// A failed assertion stops the shard (its state is thrown away and replayed), never the log.

export class AssertionFailed extends Error {
  constructor(message: string) {
    super(`assertion failed: ${message}`);
    this.name = 'AssertionFailed';
  }
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message);
}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`unexpected ${String(value)}`);
}
