// Ingesting a file into a root: the client and a producer behind the ports of the room `ingest`.
import { VisageError } from '../base/errors.ts';
import type { DefinitionsData } from '../definitions/definitions_document.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import { ingest, type IngestOptions, type IngestReport } from '../ingest/ingest.ts';
import { checkNamespace } from '../ingest/ingest_map.ts';
import type { IngestLog, PositionStore } from '../ingest/ingest_ports.ts';
import { createProducer } from '../producer/create_producer.ts';
import type { Client } from '../worker/client.ts';

const CLOSE_MS = 2_000;

export type IngestFileOptions = Pick<IngestOptions, 'path' | 'format' | 'dataset' | 'map' | 'signal' | 'onProgress'>;

/** @throws VisageError `no_definitions`, `unknown_dataset`, and what `ingest` throws */
export async function ingestFile(client: Client, settings: Settings, options: IngestFileOptions): Promise<IngestReport> {
  const { dataset, map } = options;
  const data = await definitionsFor(client, dataset);
  if (map !== null) checkNamespace(map, [...data.namespaces.keys()]);
  const { maxFutureSkewMs, dedupeHorizonMs } = foldSettingsOf(settings);
  const producer = await createProducer({
    connection: client.nc,
    root: client.topology.root,
    partitions: client.partitions,
    namespaces: Object.fromEntries([...data.namespaces].map(([name, { priority }]) => [name, priority])),
  });
  try {
    return await ingest({
      ...options,
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

async function definitionsFor(client: Client, dataset: string): Promise<DefinitionsData> {
  const hash = await client.meta.liveDefinitions();
  if (hash === undefined)
    throw new VisageError('no_definitions', "no definitions are live; run 'visage setup --definitions FILE' first");
  const { data } = parseDefinitionsDocument(await client.meta.definitions(hash));
  if (data.datasets.has(dataset)) return data;
  const known = [...data.datasets.keys()];
  throw new VisageError(
    'unknown_dataset',
    `no dataset '${dataset}' is defined${didYouMean(dataset, known)}; defined: ${known.join(', ')}`,
    { kind: 'usage' },
  );
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
