// Makes definitions live: the document in the bucket, a control message in every shard's log.
// SD1: the first document becomes live; a file that differs from the live one is refused, with the difference.
// SD2: repeating it is harmless: a shard that has the message already gets no second one.
import { VisageError } from '../base/errors.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { differences } from '../definitions/differences.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import { encodeControl } from '../message/control.ts';
import { controlSubject, type Topology } from '../message/subject.ts';
import { FOLD_VERSION } from '../shard/fold.ts';
import type { Connection } from '../nats/connection.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { jetstreamManagerOf } from '../stream/streams.ts';

/** @throws VisageError `definitions_differ` */
export async function seedDefinitions(options: {
  nc: Connection;
  topology: Topology;
  meta: MetaBucket;
  settings: Settings;
  document: DefinitionsDocument;
}): Promise<void> {
  const { nc, topology, meta, settings, document } = options;
  const live = await meta.seedDefinitions(document.hash, document.canonical);
  await refuseDifferent(meta, live, document);
  const body = controlBody(live, settings);
  const jsm = await jetstreamManagerOf(nc);
  for (let shard = 0; shard < settings.partitions; shard++) {
    const there = await jsm.streams.getMessage(topology.logStream, {
      last_by_subj: controlSubject(topology.root, shard, 'definitions'),
    });
    if (there !== null) continue;
    await (await openShardLog({ nc, reading: nc, topology, shard })).append('definitions', body);
  }
}

/** @throws VisageError `definitions_differ`, naming each difference */
export async function refuseDifferent(meta: MetaBucket, live: string, document: DefinitionsDocument): Promise<void> {
  if (live === document.hash) return;
  const lines = differences(parseDefinitionsDocument(await meta.definitions(live)), document);
  throw new VisageError(
    'definitions_differ',
    `the definitions file differs from the live definitions, which this release cannot change:\n${lines.map((line) => `  ${line}`).join('\n')}`,
    { kind: 'usage' },
  );
}

export function controlBody(hash: string, settings: Settings): Uint8Array {
  return encodeControl({ kind: 'definitions', hash, foldVersion: FOLD_VERSION, settings: foldSettingsOf(settings) });
}
