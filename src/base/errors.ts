// The one error tree. Boundary: every room throws these for conditions a caller can act on; anything else is a defect.
// E1: `code` is stable and documented; `message` is one line that says what, where and what to do.
// E2: no message carries an identity, a payload or a credential.

/** What the caller can do about it: try again · refuse this input · stop the shard · stop the worker · correct the call. */
export type ErrorKind = 'retry' | 'refuse' | 'stop_shard' | 'stop_worker' | 'usage';

/** An expected failure. `code` is stable; `kind` says what the caller can do. */
export class VisageError extends Error {
  readonly code: string;
  readonly kind: ErrorKind;

  constructor(code: string, message: string, options: { cause?: unknown; kind?: ErrorKind } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'VisageError';
    this.code = code;
    this.kind = options.kind ?? 'stop_worker';
  }
}

/** One line for people, whatever was thrown. */
export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
