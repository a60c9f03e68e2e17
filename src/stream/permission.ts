// The server refuses a subject to this user: trying again does not help, somebody has to give the right.
import { PermissionViolationError } from '@nats-io/transport-node';
import { VisageError } from '../base/errors.ts';

/** @returns undefined when it is something else. The client throws the violation itself, or wraps it. */
export function notAllowed(thrown: unknown): VisageError | undefined {
  for (let at = thrown; at instanceof Error; at = at.cause) {
    if (!(at instanceof PermissionViolationError)) continue;
    const what = at.operation === 'publish' ? 'publish' : 'subscribe to';
    return new VisageError('not_allowed', `the user of this connection may not ${what} ${at.subject}`, { cause: thrown });
  }
  return undefined;
}
