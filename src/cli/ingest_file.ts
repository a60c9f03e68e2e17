// Ingesting a file into a root: the client and a producer behind the ports of the room `ingest`.
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import { ingest, type IngestOptions, type IngestReport } from '../ingest/ingest.ts';
import { checkUse } from '../ingest/check_map.ts';
import type { IngestLog, PositionStore } from '../ingest/ingest_ports.ts';
import type { RowRules } from '../ingest/row_message.ts';
import { chooseIdentity } from '../producer/choose_identity.ts';
import { createProducer } from '../producer/create_producer.ts';
import { checkOperation } from '../producer/message_kind.ts';
import type { Client } from '../worker/client.ts';
import { definedDataset } from '../worker/live_admission.ts';
import { liveAdmission } from './live_admission.ts';

const CLOSE_MS = 2_000;

export type IngestFileOptions = Pick<IngestOptions, 'path' | 'format' | 'dataset' | 'map' | 'signal' | 'onProgress'> & {
  /** Of records whose row does not say. Default: `create`. */
  readonly operation?: RowRules['operation'];
};

/** @throws VisageError `no_definitions`, `unknown_dataset`, `bad_operation`, and what `ingest` throws */
export async function ingestFile(client: Client, settings: Settings, options: IngestFileOptions): Promise<IngestReport> {
  const { dataset, map, operation = 'create' } = options;
  const admission = await liveAdmission(client);
  const { behavior } = definedDataset(admission, dataset);
  checkOperation(dataset, { operation }, admission);
  if (map !== null) checkUse(map, { namespaces: [...admission.namespaces.keys()], dataset, behavior });
  const { maxFutureSkewMs, dedupeHorizonMs } = foldSettingsOf(settings);
  const producer = await createProducer({
    connection: client.nc,
    root: client.topology.root,
    partitions: client.partitions,
    namespaces: Object.fromEntries(admission.namespaces), // each row names its owner: nothing has to be read
  });
  try {
    return await ingest({
      ...options,
      rules: { behavior, operation, identityOf: (payload) => chooseIdentity(payload, dataset, admission) },
      now: Date.now,
      sender: producer,
      log: logOf(client, dataset),
      positionOf: (key) => positionStore(client, key),
      maxFutureSkewMs,
      dedupeHorizonMs,
    });
  } finally {
    // nothing of ours is under way, or it is given up
    await Promise.race([producer.close(), new Promise((resolve) => setTimeout(resolve, CLOSE_MS))]);
  }
}

function logOf(client: Client, dataset: string): IngestLog {
  return {
    state: () => client.streamState('log'),
    async *messageIdsAfter(sequence) {
      for await (const message of client.readDataset(dataset, sequence)) {
        const id = message.headers?.()['Nats-Msg-Id'];
        if (id !== undefined) yield id;
      }
    },
    moveTime: client.clock === 'event' ? (timeMs) => client.moveTime(timeMs) : null,
  };
}

function positionStore(client: Client, key: string): PositionStore {
  return {
    name: `the key ${key} of the bucket ${client.topology.metaBucket}`,
    read: () => client.meta.entry(key),
    write: (value, revision) => client.meta.putAt(key, value, revision),
  };
}
