// Makes the first definitions live: the document in the bucket, a control message in every shard's log.
// SD1: the first document becomes live; a file that differs from the live one is refused, with the difference and the way on.
// SD2: repeating it is harmless: a shard that has the message already gets no second one.
import { unreachable } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { extendDefinitions } from '../definitions/extend_definitions.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import type { Topology } from '../message/subject.ts';
import { FOLD_VERSION } from '../shard/fold.ts';
import type { Connection } from '../nats/connection.ts';
import { openDefinitionsLog } from '../stream/definitions_log.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { askAgain } from '../stream/streams.ts';
import { unlessConflict } from './unless_conflict.ts';

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
  const log = await openDefinitionsLog(nc, topology);
  const control = { kind: 'definitions', hash: live, foldVersion: FOLD_VERSION, settings: foldSettingsOf(settings) } as const;
  for (let shard = 0; shard < settings.partitions; shard++) {
    await askAgain(async () => {
      // 0: what an attempt without an answer has left behind is not followed by a second one
      if ((await log.last(shard)) === undefined) await unlessConflict(log.append(shard, control, 0));
    });
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
