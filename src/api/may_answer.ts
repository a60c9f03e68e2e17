// Whether a request may be answered where it says.
// MA1: never below the root, nor to what the server itself owns (`$KV.…`, `$JS.…`): the answer goes out with the worker's rights, and whoever
//      may only read could have it written to the log or over the number of partitions.

import type { Msg } from '@nats-io/transport-node';

/** False: without a place for the answer, or with a forbidden one. Nobody who asks in earnest would hear of it. */
export function mayAnswer(root: string, { reply }: Pick<Msg, 'reply'>): boolean {
  return reply !== undefined && reply !== '' && !reply.startsWith('$') && !reply.startsWith(`${root}.`);
}
