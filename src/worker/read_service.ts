// What the worker answers about its shards, whoever asks: NATS, HTTP, the program around it.
import { VisageError } from '../base/errors.ts';
import { formatTime } from '../base/time.ts';
import { documentOf } from '../definitions/definitions_document.ts';
import { unionSchema } from '../definitions/union_schema.ts';
import { identityKey, partitionOf, type IdentityKey } from '../message/identity.ts';
import type { ProfileQuery, ReadService, WorkerStatus } from '../ports/reads.ts';
import { masked } from '../profile/field_mask.ts';
import type { Shard } from '../shard/shard.ts';
import type { IdentityLog } from '../stream/identity_log.ts';
import type { DefinitionsCache } from './definitions_cache.ts';
import { eventsService } from './events_service.ts';
import { explainService } from './explain_service.ts';
import { fieldMask, knownFields, type KnownFields } from './known_fields.ts';
import type { OwnedShards } from './owned_shards.ts';

/** No setting allows longer ones: they would not fit a key of the store. */
const ID_BYTES_MAX = 512;
const READ_TIMEOUT_MS = 5_000;
/** A profile of many events takes a while to be read. */
const LOG_TIMEOUT_MS = 20_000;
const READ_TIMEOUT_MS_MAX = 30_000;
const CLASSES: readonly string[] = ['individual'];
const EXPORT_WAIT_MS = 30_000;
const EXPORT_POLL_MS = 10;

export function readService(options: {
  readonly partitions: number;
  readonly shards: OwnedShards;
  readonly draining: () => boolean;
  /** For explanations and lists of events; undefined until the worker is connected. */
  readonly log: () => IdentityLog | undefined;
  /** Undefined until the worker is connected. */
  readonly definitions: () => DefinitionsCache | undefined;
  /** What `status` says beside the shards. */
  readonly about: () => Omit<WorkerStatus, 'shards'>;
}): ReadService {
  const { partitions, shards } = options;
  const definitions = (): DefinitionsCache => {
    const found = options.definitions();
    if (found === undefined) throw new VisageError('shard_not_ready', 'the worker is starting; try again', { kind: 'retry' });
    return found;
  };
  const fieldsOf = (shard: Shard): KnownFields => {
    const hash = shard.definitionsInForce.hash!;
    return knownFields(definitions().planOf(hash), definitions().documentOf(hash));
  };
  const explanation = explainService({ ...options, knownFields: ({ shard }) => fieldsOf(shard) });
  const events = eventsService(options);
  return {
    async profile(query) {
      const key = keyOf(query);
      const shard = shards.active(partitionOf(key, partitions));
      const view = await shard.reads.get(key, query.after ?? 0, timeoutOf(query), query.policy);
      if (query.fields === undefined || shard.definitionsInForce.hash === null) return view;
      const mask = fieldMask(query.fields, fieldsOf(shard)); // what is wrong is said of unknown profiles too
      return view === undefined ? undefined : masked(view, mask);
    },
    async explain(query) {
      const key = keyOf(query);
      const shard = shards.active(partitionOf(key, partitions));
      return explanation({ shard, key, query, timeoutMs: timeoutOf({ timeoutMs: LOG_TIMEOUT_MS, ...query }) });
    },
    async events(query, bytesMax) {
      const key = keyOf(query);
      const shard = shards.active(partitionOf(key, partitions));
      return events({ shard, key, query, timeoutMs: timeoutOf({ timeoutMs: LOG_TIMEOUT_MS, ...query }), bytesMax });
    },
    async unionSchema(className) {
      if (!CLASSES.includes(className))
        throw new VisageError('no_such_class', `there is no such class; known: ${CLASSES.join(', ')}`, { kind: 'usage' });
      return unionSchema(await definitions().live(), className);
    },
    async definitions() {
      const { document, sinceMs } = await definitions().liveSince();
      const data = JSON.parse(documentOf(document.data).canonical) as Readonly<Record<string, unknown>>;
      return { hash: document.hash, since: sinceMs === null ? null : formatTime(sinceMs), definitions: data };
    },
    async exportPage(query) {
      for (let waited = 0; ; waited += EXPORT_POLL_MS) {
        try {
          return shards.active(query.shard).exports.page(query.cut, query.after, query.policy);
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
function keyOf(query: Pick<ProfileQuery, 'namespace' | 'id'>): IdentityKey {
  const key = identityKey(query);
  if (Buffer.byteLength(query.id) > ID_BYTES_MAX)
    throw new VisageError('bad_identity', `an id has at most ${ID_BYTES_MAX} bytes`, { kind: 'usage' });
  return key;
}

function timeoutOf({ timeoutMs }: Pick<ProfileQuery, 'timeoutMs'>): number {
  return Math.min(timeoutMs ?? READ_TIMEOUT_MS, READ_TIMEOUT_MS_MAX);
}
