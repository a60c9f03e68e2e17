// What the worker answers about its shards, whoever asks: NATS, HTTP, the program around it.
import { VisageError } from '../base/errors.ts';
import { identityKey, partitionOf, type IdentityKey } from '../message/identity.ts';
import type { ProfileQuery, ReadService, WorkerStatus } from '../ports/reads.ts';
import type { IdentityLog } from '../stream/identity_log.ts';
import { explainService } from './explain_service.ts';
import type { OwnedShards } from './owned_shards.ts';

/** No setting allows longer ones: they would not fit a key of the store. */
const ID_BYTES_MAX = 512;
const READ_TIMEOUT_MS = 5_000;
/** A profile of many events takes a while to be read. */
const EXPLAIN_TIMEOUT_MS = 20_000;
const READ_TIMEOUT_MS_MAX = 30_000;
const EXPORT_WAIT_MS = 30_000;
const EXPORT_POLL_MS = 10;

export function readService(options: {
  readonly partitions: number;
  readonly shards: OwnedShards;
  readonly draining: () => boolean;
  /** For explanations; undefined until the worker is connected. */
  readonly log: () => IdentityLog | undefined;
  /** What `status` says beside the shards. */
  readonly about: () => Omit<WorkerStatus, 'shards'>;
}): ReadService {
  const { partitions, shards } = options;
  const explanation = explainService(options);
  return {
    async profile(query) {
      const key = keyOf(query);
      return shards.active(partitionOf(key, partitions)).get(key, query.after ?? 0, timeoutOf(query));
    },
    async explain(query) {
      const key = keyOf(query);
      const shard = shards.active(partitionOf(key, partitions));
      return explanation({ shard, key, query, timeoutMs: timeoutOf({ timeoutMs: EXPLAIN_TIMEOUT_MS, ...query }) });
    },
    async exportPage(query) {
      for (let waited = 0; ; waited += EXPORT_POLL_MS) {
        try {
          return shards.active(query.shard).exports.page(query.cut, query.after);
        } catch (error) {
          if (!(error instanceof VisageError) || error.kind !== 'retry' || waited >= EXPORT_WAIT_MS) throw error;
        }
        if (options.draining()) throw new VisageError('stopped', 'the worker is stopping; try again', { kind: 'retry' });
        await new Promise((resolve) => setTimeout(resolve, EXPORT_POLL_MS));
      }
    },
    status: () => ({ ...options.about(), shards: shards.summaries() }),
  };
}

/** @throws VisageError `bad_identity` (usage) */
function keyOf(query: ProfileQuery): IdentityKey {
  const key = identityKey(query);
  if (Buffer.byteLength(query.id) > ID_BYTES_MAX)
    throw new VisageError('bad_identity', `an id has at most ${ID_BYTES_MAX} bytes`, { kind: 'usage' });
  return key;
}

function timeoutOf({ timeoutMs }: ProfileQuery): number {
  return Math.min(timeoutMs ?? READ_TIMEOUT_MS, READ_TIMEOUT_MS_MAX);
}
