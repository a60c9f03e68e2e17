// `worker --rebuild`: definitions that change what is live, as a new generation of every shard's state.
// BG1: what is to be done stands in the bucket before anything is done: any worker that sees it, with or without the flag, finishes it.
// BG2: of several that do so at once, each shard's log takes the message of one.
// BG3: the new definitions are live only when every log has the message. Until then nobody tells a shard which are live.
import { VisageError } from '../base/errors.ts';
import { compilePlan } from '../definitions/compile_plan.ts';
import { differences } from '../definitions/differences.ts';
import { documentOf, type DefinitionsDocument } from '../definitions/definitions_document.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import { encodeControl, type GenerationMessage } from '../message/control.ts';
import type { Topology } from '../message/subject.ts';
import type { Connection } from '../nats/connection.ts';
import type { ShardLog } from '../ports/log.ts';
import { FOLD_VERSION } from '../shard/fold.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { jetstreamManagerOf, stampOf } from '../stream/streams.ts';
import { refuseShortLog } from './setup_root.ts';
import { unlessConflict } from './unless_conflict.ts';

const PENDING = 'definitions.rebuild';
/** The number of the last generation that was begun: its messages age out of the log. */
const NUMBER = 'definitions.generation';
const NOTHING_PENDING = '';

type Pending = Pick<GenerationMessage, 'generation' | 'hash' | 'partialFrom'>;

export type Rebuilding = {
  readonly nc: Connection;
  readonly topology: Topology;
  readonly meta: MetaBucket;
  readonly settings: Settings;
};

/** `changes`: how the definitions differ, a line a place. */
export type Begun = { readonly generation: number; readonly changes: readonly string[] };

/** Makes the file's definitions live, however they differ from those that are; attributes that were added while it ran count from the
 *  log's beginning from then on. Nothing happens when there is nothing to change, or no definitions are live yet.
 *  @param partial go on although the log has lost its beginning: values then say `since`
 *  @throws VisageError `log_not_whole`, `log_too_short`, `bad_definitions` (usage) · `append_failed` (retry) */
export async function beginGeneration(root: Rebuilding, file: DefinitionsDocument, partial: boolean): Promise<Begun | undefined> {
  const { meta, settings } = root;
  const document = withoutRevisions(file);
  refuseShortLog(settings, document);
  compilePlan(document); // two measures of one id: better here than in every shard
  await finishGeneration(root); // one that a crash has left, perhaps this very one
  const live = await meta.liveDefinitions();
  if (live === undefined || live === document.hash) return undefined;
  const changes = differences(parseDefinitionsDocument(await meta.definitions(live)), document);
  const logs = await logsOf(root);
  const partialFrom = await beginningOf(root, logs[0]!, partial);
  const generations = await Promise.all(
    logs.map(async (log, shard) => Math.max(await generationOf(meta, shard), (await log.generations()).at(-1)?.generation ?? 1)),
  );
  const generation = Math.max(...generations) + 1;
  await meta.createOrGet(`definitions.${document.hash}`, document.canonical);
  const { revision } = await meta.entry(PENDING);
  await meta.putAt(PENDING, JSON.stringify({ generation, hash: document.hash, partialFrom } satisfies Pending), revision);
  await finishGeneration(root);
  return { generation, changes };
}

/** The number of the shard's last generation; 1 is the first. */
export async function generationOf(meta: MetaBucket, shard: number): Promise<number> {
  const [all, own] = await Promise.all([meta.get(NUMBER), meta.get(numberOf(shard))]);
  return Math.max(Number(all ?? 1), Number(own ?? 1));
}

/** Of the last generation that was begun for one shard alone. */
export function numberOf(shard: number): string {
  return `${NUMBER}.${shard}`;
}

/** Has a generation begun that not every log has yet? */
export async function isBeginning(meta: MetaBucket): Promise<boolean> {
  return ((await meta.get(PENDING)) ?? NOTHING_PENDING) !== NOTHING_PENDING;
}

/** Finishes what was begun; nothing in the usual case. @throws VisageError `append_failed`, `unavailable` (retry) */
export async function finishGeneration(root: Rebuilding): Promise<void> {
  const { meta } = root;
  const { value, revision } = await meta.entry(PENDING);
  if (value === undefined || value === NOTHING_PENDING) return;
  const pending = JSON.parse(value) as Pending;
  for (const log of await logsOf(root)) await tell(log, pending, root.settings);
  const number = await meta.entry(NUMBER);
  if (Number(number.value ?? 1) < pending.generation)
    await unlessConflict(meta.putAt(NUMBER, String(pending.generation), number.revision));
  const live = await meta.liveDefinitions();
  if (live !== undefined) await unlessConflict(meta.replaceDefinitions(live, pending.hash, await meta.definitions(pending.hash)));
  await unlessConflict(meta.putAt(PENDING, NOTHING_PENDING, revision));
}

async function tell(log: ShardLog, pending: Pending, settings: Settings): Promise<void> {
  for (;;) {
    const last = (await log.generations()).at(-1);
    if (last !== undefined && last.generation >= pending.generation) return;
    const previous = last?.sequence ?? 0;
    const message = {
      kind: 'generation',
      ...pending,
      previous,
      foldVersion: FOLD_VERSION,
      settings: foldSettingsOf(settings),
    } as const;
    if ((await unlessConflict(log.append('generation', encodeControl(message), previous))) !== undefined) return;
  }
}

function logsOf({ nc, topology, settings }: Rebuilding): Promise<ShardLog[]> {
  return Promise.all(
    Array.from({ length: settings.partitions }, (_, shard) => openShardLog({ nc, reading: nc, topology, shard })),
  );
}

/** Null when the log has all of it. */
async function beginningOf(
  { nc, topology }: Rebuilding,
  log: ShardLog,
  partial: boolean,
): Promise<GenerationMessage['partialFrom']> {
  const { firstSequence } = await log.state();
  if (firstSequence <= 1) return null;
  if (!partial) {
    throw new VisageError(
      'log_not_whole',
      `the log begins at sequence ${firstSequence}: what was before is gone, and values built anew would not count it. Start with --rebuild --partial to go on all the same; values then say since when they count`,
      { kind: 'usage' },
    );
  }
  const jsm = await jetstreamManagerOf(nc);
  const { state } = await jsm.streams.info(topology.logStream);
  return { sequence: state.first_seq, timeMs: stampOf(String(state.first_ts)) };
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
