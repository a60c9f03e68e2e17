// `definitions list`: what is live, and since when each shard's log says so.
// LD1: times are those of the log. LD2: where the log is trimmed, the first message left is no proof that none came before it.
import { VisageError } from '../base/errors.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import { revisionOf } from '../definitions/extend_definitions.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { openDefinitionsLog } from '../stream/definitions_log.ts';
import { openShardLog } from '../stream/shard_log.ts';
import type { Client } from './client.ts';

/** When a revision came into the logs of the shards: in the first of them and in the last. `exact` false: that or earlier.
 *  `shards`: how many logs have it. */
export type RevisionStart = {
  readonly earliestMs: number;
  readonly latestMs: number;
  readonly exact: boolean;
  readonly shards: number;
};

export type LiveDefinitions = {
  readonly document: DefinitionsDocument;
  readonly since: ReadonlyMap<number, RevisionStart>;
};

/** @throws VisageError `no_definitions` · `unavailable` (retry)   Cost: a request for every definitions message of every shard */
export async function liveDefinitions(client: Client): Promise<LiveDefinitions> {
  const { meta } = client;
  const hash = await meta.liveDefinitions();
  if (hash === undefined)
    throw new VisageError('no_definitions', "there are no definitions yet; run 'visage setup --definitions FILE'");
  const documents = new Map<string, DefinitionsDocument>();
  const documentOf = async (named: string): Promise<DefinitionsDocument> => {
    const known = documents.get(named) ?? parseDefinitionsDocument(await meta.definitions(named));
    documents.set(named, known);
    return known;
  };
  const trimmed = (await client.streamState('log')).firstSequence > 1;
  const beginningMs = trimmed ? await client.logBeginningMs() : 0;
  const inForce = trimmed ? await shardsWith(client, hash) : new Set<number>();
  const log = await openDefinitionsLog(client.nc, client.topology);
  const since = new Map<number, RevisionStart>();
  for (let shard = 0; shard < client.partitions; shard++) {
    let reached = 0;
    const begun = (
      await (await openShardLog({ nc: client.nc, reading: client.nc, topology: client.topology, shard })).generations()
    ).at(-1);
    if (begun !== undefined) {
      reached = 1; // all that it began with
      since.set(1, joined(since.get(1), begun.stampMs, true));
    }
    for await (const { stampMs, control, sequence } of log.all(shard)) {
      if (begun !== undefined && sequence < begun.sequence) continue; // of an earlier generation: its revisions were others
      const revision = revisionOf((await documentOf(control.hash)).data);
      const exact = reached > 0 || !trimmed;
      while (reached < revision) {
        reached++;
        since.set(reached, joined(since.get(reached), stampMs, exact));
      }
    }
    // the message that brought it may be gone from the log; it came before the first that is left
    if (trimmed && inForce.has(shard))
      while (reached < revisionOf((await documentOf(hash)).data)) {
        reached++;
        since.set(reached, joined(since.get(reached), beginningMs, false));
      }
  }
  return { document: await documentOf(hash), since };
}

function joined(before: RevisionStart | undefined, atMs: number, exact: boolean): RevisionStart {
  if (before === undefined) return { earliestMs: atMs, latestMs: atMs, exact, shards: 1 };
  return {
    earliestMs: Math.min(before.earliestMs, atMs),
    latestMs: Math.max(before.latestMs, atMs),
    exact: before.exact && exact,
    shards: before.shards + 1,
  };
}

/** The shards that have these definitions in force, as far as a worker says. */
async function shardsWith(client: Client, hash: string): Promise<ReadonlySet<number>> {
  const shards = await client.status().then(
    (status) => status.shards,
    () => [],
  );
  return new Set(shards.filter((shard) => shard['definitions'] === hash).map(({ shard }) => shard));
}
