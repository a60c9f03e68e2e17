// `delete --dataset`: a message into every shard's log, and waiting until every profile is without what the dataset has said.
// DD1: repeating it is harmless, and finishes what a crash has left: a shard in whose log nothing of the dataset has come since it was
//      told is not told again. What has come since is deleted too: that is what was asked for.
// DD2: what is in the logs takes effect, whoever waits for it.
import { setTimeout as delay } from 'node:timers/promises';
import { VisageError } from '../base/errors.ts';
import { encodeControl, parseControl } from '../message/control.ts';
import { controlSubject, shardLogPrefix } from '../message/subject.ts';
import type { WorkerStatus } from '../ports/reads.ts';
import { openShardLog } from '../stream/shard_log.ts';
import { answerOf, jetstreamManagerOf, stampOf } from '../stream/streams.ts';
import type { Client } from './client.ts';

const POLL_MS = 100;
/** A worker that is being started again is waited for. */
const NO_WORKER_MS = 30_000;

/** Where the delete is in the shard's log, and when the log stored it. */
export type ShardDelete = { readonly shard: number; readonly sequence: number; readonly timeMs: number };

/** @returns one for each shard   @throws VisageError `append_failed`, `unavailable` (retry): some shards may be told; run it again · `not_allowed` */
export async function tellDelete(
  { nc, topology, partitions }: Pick<Client, 'nc' | 'topology' | 'partitions'>,
  dataset: string,
): Promise<readonly ShardDelete[]> {
  const jsm = await jetstreamManagerOf(nc);
  const last = async (subject: string): Promise<{ seq: number; timestamp: string; data: Uint8Array } | null> =>
    answerOf(`the last of ${subject}`, jsm.streams.getMessage(topology.logStream, { last_by_subj: subject }));
  const told: ShardDelete[] = [];
  for (let shard = 0; shard < partitions; shard++) {
    const before = await last(controlSubject(topology.root, shard, 'deleteDataset'));
    if (before !== null && isOf(before.data, dataset)) {
      const input = await last(`${shardLogPrefix(topology.root, shard)}in.${dataset}.>`);
      if (input === null || input.seq < before.seq) {
        told.push({ shard, sequence: before.seq, timeMs: stampOf(before.timestamp) });
        continue;
      }
    }
    const log = await openShardLog({ nc, reading: nc, topology, shard });
    const sequence = await log.append('deleteDataset', encodeControl({ kind: 'deleteDataset', dataset }));
    const stored = await answerOf(
      `message ${sequence} of the log`,
      jsm.streams.getMessage(topology.logStream, { seq: sequence }),
    );
    if (stored === null)
      throw new VisageError('unavailable', `message ${sequence} of the log is gone just after it was stored: try again`, {
        kind: 'retry',
      });
    told.push({ shard, sequence, timeMs: stampOf(stored.timestamp) });
  }
  return told;
}

function isOf(body: Uint8Array, dataset: string): boolean {
  const control = parseControl('deleteDataset', body);
  return control.kind === 'deleteDataset' && control.dataset === dataset;
}

export type Sweeping = { readonly done: number; readonly of: number; readonly waitingFor: string | null };

/** Waits until every shard has applied its delete and has taken it through all of its profiles. No limit of time while shards get on.
 *  @throws VisageError `not_swept` (retry): a shard is halted, or no worker answers; the delete stands */
export async function awaitDelete(
  client: Pick<Client, 'status'>,
  deletes: readonly ShardDelete[],
  onProgress: (sweeping: Sweeping) => void,
  noWorkerMs = NO_WORKER_MS,
): Promise<void> {
  let answeredMs = performance.now();
  for (;;) {
    const shards = await shardsOf(client);
    if (shards !== null) answeredMs = performance.now();
    const states = deletes.map(({ shard, sequence }) => ({ sequence, shard: shards?.find((each) => each.shard === shard) }));
    const done = states.filter(({ shard, sequence }) => isSwept(shard, sequence)).length;
    onProgress({ done, of: deletes.length, waitingFor: shards === null ? 'no worker answers' : null });
    if (done === deletes.length) return;
    const halted = states.find(({ shard }) => shard?.state === 'halted')?.shard;
    if (halted !== undefined)
      throw notSwept(`shard ${halted.shard} is halted${halted.reason === null ? '' : `: ${halted.reason}`}`);
    if (performance.now() - answeredMs > noWorkerMs) throw notSwept('no worker answers; one applies it when it starts');
    await delay(POLL_MS);
  }
}

type Shard = WorkerStatus['shards'][number];

function isSwept(shard: Shard | undefined, sequence: number): boolean {
  return shard !== undefined && Number(shard['applied'] ?? -1) >= sequence && shard['activating'] !== true;
}

async function shardsOf(client: Pick<Client, 'status'>): Promise<readonly Shard[] | null> {
  try {
    return (await client.status()).shards;
  } catch (error) {
    if (error instanceof VisageError && error.code === 'no_worker') return null;
    throw error;
  }
}

function notSwept(why: string): VisageError {
  return new VisageError('not_swept', `the delete is in the log of every shard, but is not applied everywhere: ${why}`, {
    kind: 'retry',
  });
}
