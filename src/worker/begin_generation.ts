// `worker --rebuild`: definitions that change what is live, as a new generation of every shard's state.
// BG1: what is to be done stands in the bucket before anything is done: a start after a crash, with or without the flag, finishes it.
// BG2: repeating it is harmless: a shard whose log has the message gets no second one.
// BG3: the new definitions are live only when every log has the message: no shard is ever told to go back.
import { VisageError } from '../base/errors.ts';
import { documentOf, type DefinitionsDocument } from '../definitions/definitions_document.ts';
import { extendDefinitions } from '../definitions/extend_definitions.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import { encodeControl } from '../message/control.ts';
import type { Topology } from '../message/subject.ts';
import type { Connection } from '../nats/connection.ts';
import type { ShardLog } from '../ports/log.ts';
import { FOLD_VERSION } from '../shard/fold.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { refuseShortLog } from './setup_root.ts';

const PENDING = 'definitions.rebuild';

type Pending = { readonly generation: number; readonly hash: string; readonly partial: boolean };

export type Rebuilding = {
  readonly nc: Connection;
  readonly topology: Topology;
  readonly meta: MetaBucket;
  readonly settings: Settings;
};

/** Makes the file's definitions live, however they differ from those that are. Nothing happens when they are the same.
 *  @param partial go on although the log has lost its beginning: values then say `since`
 *  @returns the generation that begins; undefined: none does
 *  @throws VisageError `log_not_whole`, `log_too_short` (usage) · `conflict`, `append_failed` (retry) */
export async function beginGeneration(
  root: Rebuilding,
  file: DefinitionsDocument,
  partial: boolean,
): Promise<number | undefined> {
  const { meta, settings } = root;
  const document = withoutRevisions(file);
  refuseShortLog(settings, document);
  await finishGeneration(root); // one that a crash has left, perhaps this very one
  const live = await meta.liveDefinitions();
  if (live === undefined) return undefined; // the first definitions need no rebuild
  if (extendDefinitions(parseDefinitionsDocument(await meta.definitions(live)), document).kind === 'same') return undefined;
  const logs = await logsOf(root);
  await refuseTrimmed(logs[0]!, partial);
  const generations = await Promise.all(logs.map(async (log) => (await log.generations()).at(-1)?.generation ?? 1));
  const generation = Math.max(...generations) + 1;
  await meta.createOrGet(`definitions.${document.hash}`, document.canonical);
  const { revision } = await meta.entry(PENDING);
  const pending: Pending = { generation, hash: document.hash, partial };
  await meta.putAt(PENDING, JSON.stringify(pending), revision);
  await finishGeneration(root);
  return generation;
}

/** Finishes what was begun; nothing in the usual case. @throws as `beginGeneration` */
export async function finishGeneration(root: Rebuilding): Promise<void> {
  const { meta, settings } = root;
  const { value, revision } = await meta.entry(PENDING);
  if (value === undefined || value === '') return;
  const { generation, hash, partial } = JSON.parse(value) as Pending;
  for (const log of await logsOf(root)) {
    const last = (await log.generations()).at(-1);
    if (last !== undefined && last.generation >= generation) continue;
    const previous = last?.sequence ?? 0;
    const control = {
      kind: 'generation',
      generation,
      previous,
      hash,
      foldVersion: FOLD_VERSION,
      settings: foldSettingsOf(settings),
      partial,
    } as const;
    await log.append('generation', encodeControl(control));
  }
  const live = await meta.liveDefinitions();
  if (live !== undefined && live !== hash) await meta.replaceDefinitions(live, hash, await meta.definitions(hash));
  await meta.putAt(PENDING, '', revision);
}

function logsOf({ nc, topology, settings }: Rebuilding): Promise<ShardLog[]> {
  return Promise.all(
    Array.from({ length: settings.partitions }, (_, shard) => openShardLog({ nc, reading: nc, topology, shard })),
  );
}

async function refuseTrimmed(log: ShardLog, partial: boolean): Promise<void> {
  const { firstSequence } = await log.state();
  if (firstSequence <= 1 || partial) return;
  throw new VisageError(
    'log_not_whole',
    `the log begins at sequence ${firstSequence}: what was before is gone, and values built anew would not count it. Start with --rebuild --partial to go on all the same; values then say since when they count`,
    { kind: 'usage' },
  );
}

/** All of it counts from the log's first message on. */
function withoutRevisions(file: DefinitionsDocument): DefinitionsDocument {
  const { data } = file;
  return documentOf({
    ...data,
    datasets: new Map([...data.datasets].map(([name, dataset]) => [name, { ...dataset, revision: 1 }])),
    computedAttributes: new Map([...data.computedAttributes].map(([name, attribute]) => [name, { ...attribute, revision: 1 }])),
  });
}
