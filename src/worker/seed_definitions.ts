// Makes the first definitions live: the document in the bucket, a control message in every shard's log.
// SD1: the first document becomes live; a file that differs from the live one is refused, with the difference and the way on.
// SD2: repeating it is harmless: a shard that has the message already gets no second one.
import { unreachable } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { extendDefinitions } from '../definitions/extend_definitions.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import { encodeControl } from '../message/control.ts';
import { controlSubject, type Topology } from '../message/subject.ts';
import { FOLD_VERSION } from '../shard/fold.ts';
import type { Connection } from '../nats/connection.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { jetstreamManagerOf } from '../stream/streams.ts';

/** @returns the hash of the live document: of another text than the file's when that one came by additions
 *  @throws VisageError `definitions_differ` */
export async function seedDefinitions(options: {
  nc: Connection;
  topology: Topology;
  meta: MetaBucket;
  settings: Settings;
  document: DefinitionsDocument;
}): Promise<string> {
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
  return live;
}

/** @throws VisageError `definitions_differ`, naming each difference */
export async function refuseDifferent(meta: MetaBucket, live: string, document: DefinitionsDocument): Promise<void> {
  if (live === document.hash) return;
  const extension = extendDefinitions(parseDefinitionsDocument(await meta.definitions(live)), document);
  switch (extension.kind) {
    case 'same':
      return;
    case 'extended':
      throw differ(`adds to the live definitions; run 'visage definitions apply FILE' to make it live`, extension.added);
    case 'changed':
      throw differ(`differs from the live definitions; to change them, start the workers with --rebuild`, extension.lines);
    default:
      return unreachable(extension);
  }
}

function differ(how: string, lines: readonly string[]): VisageError {
  const list = lines.map((line) => `  ${line}`).join('\n');
  return new VisageError('definitions_differ', `the definitions file ${how}:\n${list}`, { kind: 'usage' });
}

function controlBody(hash: string, settings: Settings): Uint8Array {
  return encodeControl({ kind: 'definitions', hash, foldVersion: FOLD_VERSION, settings: foldSettingsOf(settings) });
}
