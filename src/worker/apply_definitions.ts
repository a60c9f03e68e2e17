// `definitions apply`: additions to the live definitions, while the workers run.
// AD1: the document is live before any log names it. AD2: repeating it is harmless, and finishes what a crash has left.
// AD3: of two at once one wins; the other is told, and no log ever goes back to earlier definitions.
// AD4: only the definitions change: settings and fold version stay those that each shard's log has.
import { setTimeout as delay } from 'node:timers/promises';
import { unreachable } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import { compilePlan } from '../definitions/compile_plan.ts';
import { extendDefinitions, revisionOf } from '../definitions/extend_definitions.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import { foldSettingsOf, type Settings } from '../definitions/settings.ts';
import type { WorkerStatus } from '../ports/reads.ts';
import { FOLD_VERSION } from '../shard/fold.ts';
import { openDefinitionsLog } from '../stream/definitions_log.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { generationOf, isBeginning } from './begin_generation.ts';
import type { Client } from './client.ts';
import { refuseShortLog } from './setup_root.ts';

const APPLIED_MS_MAX = 30_000;
const POLL_MS = 100;

export type Applied = {
  /** Of the document that is live now. */
  readonly hash: string;
  readonly revision: number;
  /** What the file adds; empty when everything in it was live. */
  readonly added: readonly string[];
  /** The shards whose log got a message just now. */
  readonly told: readonly number[];
  readonly partitions: number;
  /** The shards that have it in force, of those that a worker answers for. */
  readonly inForce: readonly number[];
  readonly waiting: readonly { readonly shard: number; readonly state: string; readonly reason: string | null }[];
};

/** @param waitMs how long to wait for the workers   The change stands also when some shard does not get there in time.
 *  @throws VisageError `definitions_differ`, `no_definitions`, `bad_definitions`, `log_too_short` (usage) · `conflict`, `append_failed` (retry) */
export async function applyDefinitions(
  client: Client,
  settings: Settings,
  file: DefinitionsDocument,
  waitMs = APPLIED_MS_MAX,
): Promise<Applied> {
  refuseShortLog(settings, file);
  if (await isBeginning(client.meta)) {
    throw new VisageError(
      'rebuild_begun',
      'a rebuild has begun and not every shard knows of it yet: a worker finishes it when it starts; run this command again then',
      { kind: 'retry' },
    );
  }
  const { document, added } = await makeLive(client, file);
  const told = await tellShards(client, settings, document.hash);
  const status = await inForceOrLate(client, document.hash, waitMs);
  const has = (shard: WorkerStatus['shards'][number]): boolean => shard['definitions'] === document.hash;
  return {
    hash: document.hash,
    revision: revisionOf(document.data),
    added,
    told,
    partitions: client.partitions,
    inForce: status.filter(has).map(({ shard }) => shard),
    waiting: status.filter((shard) => !has(shard)).map(({ shard, state, reason }) => ({ shard, state, reason })),
  };
}

async function makeLive(
  { meta }: Client,
  file: DefinitionsDocument,
): Promise<{ readonly document: DefinitionsDocument; readonly added: readonly string[] }> {
  const hash = await meta.liveDefinitions();
  if (hash === undefined)
    throw new VisageError('no_definitions', "there are no definitions yet; run 'visage setup --definitions FILE'", {
      kind: 'usage',
    });
  const live = parseDefinitionsDocument(await meta.definitions(hash));
  const extension = extendDefinitions(live, file);
  switch (extension.kind) {
    case 'same':
      return { document: live, added: [] };
    case 'changed':
      throw new VisageError(
        'definitions_differ',
        `only additions can be applied; the file changes what is live (to change it, start the workers with --rebuild):\n${extension.lines.map((line) => `  ${line}`).join('\n')}`,
        { kind: 'usage' },
      );
    case 'extended': {
      const { document, added } = extension;
      compilePlan(document); // two measures of one id: better here than in every worker
      await runAgainOnConflict(meta.replaceDefinitions(hash, document.hash, document.canonical));
      return { document, added };
    }
    default:
      return unreachable(extension);
  }
}

/** @returns the shards whose log had other definitions last */
async function tellShards({ nc, topology, meta, partitions }: Client, settings: Settings, hash: string): Promise<number[]> {
  const definitions = await openDefinitionsLog(nc, topology);
  const told: number[] = [];
  for (let shard = 0; shard < partitions; shard++) {
    const last = await definitions.last(shard);
    const begun = (await (await openShardLog({ nc, reading: nc, topology, shard })).generations()).at(-1);
    // what is in force: the later of the two
    const inForce = last === undefined || (begun !== undefined && begun.sequence > last.sequence) ? begun : last.control;
    if (inForce?.hash === hash) continue;
    const { foldVersion, settings: fold } = inForce ?? { foldVersion: FOLD_VERSION, settings: foldSettingsOf(settings) };
    const generation = await generationOf(meta, shard);
    const control = { kind: 'definitions', hash, foldVersion, settings: fold, generation } as const;
    // what the other one made live comes in its order only if nobody gets in between
    await runAgainOnConflict(definitions.append(shard, control, last?.sequence ?? 0));
    told.push(shard);
  }
  return told;
}

async function runAgainOnConflict<T>(writing: Promise<T>): Promise<T> {
  try {
    return await writing;
  } catch (cause) {
    if (!(cause instanceof VisageError) || cause.code !== 'conflict') throw cause;
    throw new VisageError('conflict', 'somebody else applied definitions at the same moment: run this command again', {
      cause,
      kind: 'retry',
    });
  }
}

/** The shards of the worker that answers, once all of them have it, or as they are when the time is up. None answers: none. */
async function inForceOrLate(client: Client, hash: string, waitMs: number): Promise<WorkerStatus['shards']> {
  const endMs = Date.now() + waitMs;
  for (;;) {
    const shards = await shardsOf(client);
    const hopeful = shards.some((shard) => shard['definitions'] !== hash && shard.state !== 'halted');
    if (!hopeful || Date.now() >= endMs) return shards;
    await delay(POLL_MS);
  }
}

async function shardsOf(client: Client): Promise<WorkerStatus['shards']> {
  try {
    return (await client.status()).shards;
  } catch (error) {
    if (error instanceof VisageError && error.code === 'no_worker') return [];
    throw error;
  }
}
