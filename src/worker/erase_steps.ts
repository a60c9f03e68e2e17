// The steps of an erasure, in order; semantics.md s9. Each can be done again: what a crash has left is gone on with from the step before.
// ES1: nothing is removed from the log before the state without it is stored, committed and compacted, and the log says where it was.
// ES2: dead letters go first: the messages in the log are what an identity is found by when nobody remembers it.
// ES3: only what stands before the erase message is removed: what came after it is new.
import { setTimeout as delay } from 'node:timers/promises';
import { assert } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import { formatTime } from '../base/time.ts';
import type { Settings } from '../definitions/settings.ts';
import { encodeControl, parseControl, type ErasedMessage } from '../message/control.ts';
import { isErasedKey, parseIdentityKey, type Identity, type IdentityKey } from '../message/identity.ts';
import { changesSubject, controlSubject, type Topology } from '../message/subject.ts';
import type { ShardLog } from '../ports/log.ts';
import type { Connection } from '../nats/connection.ts';
import type { Shard } from '../shard/shard.ts';
import { lastCompaction } from '../store/lmdb_compaction.ts';
import { readErased } from '../stream/holes.ts';
import { keysInLog, messagesBefore, removeMessages } from '../stream/removal.ts';
import { keysInLetters, lettersNaming } from '../stream/removal_letters.ts';
import { answerOf, jetstreamManagerOf, stampOf } from '../stream/streams.ts';
import { FROM_THE_BEGINNING, holesOf, type InForce } from './erase_holes.ts';
import type { EraseJob, EraseJobs } from './erase_jobs.ts';
import { noteErased } from './erased_through.ts';
import type { ShardErasures } from './shard_erasures.ts';
import type { ShardSnapshots } from './shard_snapshots.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { LmdbStore } from '../store/lmdb_store.ts';

const POLL_MS = 25;
const REACHED_MS = 60_000;
const EXPORTS_MS_MAX = 120_000;
/** Holes of one message: at most 170 KB of it. */
const PART_HOLES = 4_000;
const STRIDE = 3;

export type EraseContext = {
  readonly nc: Connection;
  readonly topology: Topology;
  readonly settings: Settings;
  readonly jobs: EraseJobs;
  readonly erasures: ShardErasures;
  readonly log: ShardLog;
  readonly snapshots: ShardSnapshots;
  readonly meta: MetaBucket;
  /** Active; `folder` is its store's. */
  readonly shard: Shard;
  readonly folder: string;
  readonly nowMs: () => number;
  /** The shard's life ends: nothing of it may be used any more. */
  readonly signal: AbortSignal;
};

/** Takes the jobs to their end. @throws VisageError `compacting` (retry): the store must be rewritten first, while it is closed · others
 *  (retry): begin again later */
export async function eraseAll(context: EraseContext, begun: readonly EraseJob[]): Promise<void> {
  let jobs = await each(begun, (job) => append(context, job));
  jobs = await store(context, jobs);
  jobs = await each(jobs, (job) => noteHoles(context, job));
  jobs = await removeLetters(context, jobs);
  for (const job of jobs) await removeFromLog(context, job);
}

/** Must the store be rewritten for this job? */
export function needsCompaction(folder: string, { sequence }: EraseJob): boolean {
  return sequence === null || (lastCompaction(folder)?.applied ?? -1) < sequence;
}

async function each(jobs: readonly EraseJob[], step: (job: EraseJob) => Promise<EraseJob>): Promise<readonly EraseJob[]> {
  const done: EraseJob[] = [];
  for (const job of jobs) done.push(await step(job));
  return done;
}

async function append(context: EraseContext, job: EraseJob): Promise<EraseJob> {
  if (job.step !== 'asked') return job;
  const { log, jobs, signal } = context;
  const before = await appendedBefore(context, job);
  signal.throwIfAborted();
  const sequence = before ?? (await log.append('erase', encodeControl({ kind: 'erase', hash: job.hash })));
  return jobs.note(job, { step: 'appended', sequence });
}

/** A life may have ended between the message and the note of it: a second one would erase what came between the two. */
async function appendedBefore({ nc, topology, shard }: EraseContext, job: EraseJob): Promise<number | undefined> {
  const jsm = await jetstreamManagerOf(nc);
  const subject = controlSubject(topology.root, shard.options.shard, 'erase');
  const asked = jsm.streams.getMessage(topology.logStream, { last_by_subj: subject });
  const last = await answerOf('the last erase message', asked);
  if (last === null || stampOf(last.timestamp) < Date.parse(job.requestedAt)) return undefined;
  const control = parseControl('erase', last.data);
  return control.kind === 'erase' && control.hash === job.hash ? last.seq : undefined;
}

/** Applied, committed, in a checkpoint, and the store rewritten since. Looked at for all of them: a folder that was lost meanwhile was built
 *  anew from a log that still had what is erased. */
async function store(context: EraseContext, all: readonly EraseJob[]): Promise<readonly EraseJob[]> {
  const { shard, folder, signal, jobs } = context;
  const last = Math.max(...all.map((job) => job.sequence!));
  await shard.reads.reached(last, REACHED_MS);
  for (;;) {
    signal.throwIfAborted();
    if ((shard.options.store.readMeta()?.applied ?? 0) >= last) break; // and a checkpoint never passes the last commit
    await delay(POLL_MS);
  }
  if (all.some((job) => needsCompaction(folder, job))) {
    await exportsEnded(context);
    throw new VisageError('compacting', `what was erased leaves the files of shard ${shard.options.shard}`, { kind: 'retry' });
  }
  if (all.some((job) => job.step === 'appended')) await renewSnapshots(context, last);
  const compactedAt = formatTime(lastCompaction(folder)!.timeMs);
  const changesGoneBy = await whenChangesAreGone(context);
  return each(all, (job) => {
    if (job.step === 'appended') return jobs.note(job, { step: 'stored', compactedAt, changesGoneBy });
    return Promise.resolve({ ...job, compactedAt });
  });
}

/** A snapshot without them takes the place of those that have them; other workers throw away what they stored before it. */
async function renewSnapshots({ shard, snapshots, meta, signal }: EraseContext, last: number): Promise<void> {
  const { store } = shard.options;
  assert(store instanceof LmdbStore, 'a shard at work has its store in LMDB');
  const { epoch } = shard.position;
  await snapshots.make(store, epoch, signal);
  signal.throwIfAborted();
  await noteErased(meta, shard.options.shard, last);
  await snapshots.removeBefore(last, epoch);
}

/** Exports in progress come to their end first, but are not waited for without end. */
async function exportsEnded({ shard, signal, nowMs }: EraseContext): Promise<void> {
  for (const endMs = nowMs() + EXPORTS_MS_MAX; shard.exports.isBusy && nowMs() < endMs;) {
    signal.throwIfAborted();
    await delay(POLL_MS);
  }
}

/** Every change event that names somebody who is erased is in a commit that is there now. Null: they are kept for ever. */
async function whenChangesAreGone({ nc, topology, shard }: EraseContext): Promise<string | null> {
  const jsm = await jetstreamManagerOf(nc);
  const { changesStream, root } = topology;
  const { config } = await answerOf('the change stream', jsm.streams.info(changesStream));
  const subject = changesSubject(root, shard.options.shard);
  const asked = jsm.streams.getMessage(changesStream, { last_by_subj: subject });
  const last = await answerOf('the last commit', asked);
  if (config.max_age === 0) return null;
  return formatTime((last === null ? Date.now() : stampOf(last.timestamp)) + config.max_age / 1e6);
}

/** The log says where the messages are before the first of them goes. */
async function noteHoles(context: EraseContext, job: EraseJob): Promise<EraseJob> {
  if (job.step !== 'stored') return job;
  const { log, jobs, shard, signal } = context;
  const erase = job.sequence!;
  const counted = await countsAfter(context, erase);
  const key = await keyOf(context, job.hash);
  const holes = key === undefined ? [] : await holesOf(messagesBefore({ ...ofShard(context), key, erase }), inForceOf(context));
  const parts = Math.max(1, Math.ceil(holes.length / STRIDE / PART_HOLES));
  for (let part = 1; part <= parts; part++) {
    signal.throwIfAborted();
    const some = holes.slice((part - 1) * PART_HOLES * STRIDE, part * PART_HOLES * STRIDE);
    await log.append('erased', encodeControl({ kind: 'erased', erase, part, parts, holes: some, ...counted }));
  }
  assert(job.shard === shard.options.shard, 'a job is done by its own shard');
  const count = holes.length / STRIDE;
  return jobs.note(job, { step: 'noted', messages: count, holes: count });
}

/** The state has them until the log has them. */
async function countsAfter(
  { nc, topology, shard }: EraseContext,
  erase: number,
): Promise<Pick<ErasedMessage, 'changeCount' | 'changeDigest' | 'version'>> {
  const known =
    shard.reads.erasedAt(erase) ??
    (await readErased(nc, topology, shard.options.shard)).find((control) => control.erase === erase);
  if (known === undefined) {
    const text = `shard ${shard.options.shard}: neither state nor log knows what had changed up to the erase message at ${erase}; ask for the erasure again`;
    throw new VisageError('erase_unknown', text, { kind: 'retry' });
  }
  const { changeCount, changeDigest, version } = known;
  return { changeCount, changeDigest, version };
}

async function removeLetters(context: EraseContext, all: readonly EraseJob[]): Promise<readonly EraseJob[]> {
  const { nc, topology, jobs, signal } = context;
  const who: { readonly identity: Identity; readonly before: number }[] = [];
  const open: EraseJob[] = [];
  for (const job of all) {
    const key = job.step === 'noted' ? await keyOf(context, job.hash) : undefined;
    if (key === undefined) continue;
    open.push(job);
    who.push({ identity: parseIdentityKey(key), before: job.sequence! });
  }
  const found = open.length === 0 ? [] : await lettersNaming(nc, topology, who);
  return each(all, async (job) => {
    if (job.step !== 'noted') return job;
    const letters = found[open.indexOf(job)] ?? [];
    signal.throwIfAborted();
    // counted before: after a crash those that are gone cannot be
    const counted = await jobs.note(job, { deadLetters: Math.max(job.deadLetters, letters.length) });
    await removeMessages(nc, topology.deadStream, letters);
    signal.throwIfAborted();
    return jobs.note(counted, { step: 'lettersRemoved' });
  });
}

async function removeFromLog(context: EraseContext, job: EraseJob): Promise<void> {
  if (job.step !== 'lettersRemoved') return;
  const { nc, topology, jobs, erasures, nowMs, signal } = context;
  const key = await keyOf(context, job.hash);
  if (key !== undefined) {
    const sequences: number[] = [];
    const definitions = controlSubject(topology.root, job.shard, 'definitions');
    for await (const { subject, sequence } of messagesBefore({ ...ofShard(context), key, erase: job.sequence! }))
      if (subject !== definitions) sequences.push(sequence);
    signal.throwIfAborted();
    await removeMessages(nc, topology.logStream, sequences);
  }
  signal.throwIfAborted();
  await jobs.note(job, { step: 'done', erasedAt: formatTime(nowMs()) });
  erasures.forget(job.hash);
}

/** Whom the hash names, by what is left of the identity; undefined: nothing is. */
async function keyOf(context: EraseContext, hash: string): Promise<IdentityKey | undefined> {
  const { nc, topology, erasures } = context;
  const known = erasures.keyOf(hash) ?? (await erasures.find(hash, await keysInLog(ofShard(context))));
  if (known !== undefined) return known;
  const found = await erasures.find(hash, await keysInLetters(nc, topology));
  return found === undefined || isErasedKey(found) ? undefined : found;
}

function ofShard({ nc, topology, shard }: EraseContext): { nc: Connection; topology: Topology; shard: number } {
  return { nc, topology, shard: shard.options.shard };
}

function inForceOf({ topology, shard }: EraseContext): Parameters<typeof holesOf>[1] {
  const { generation, partitions, clockMode, definitions } = shard.options;
  const from: InForce = generation ?? FROM_THE_BEGINNING;
  return { root: topology.root, shard: shard.options.shard, partitions, clockMode, definitions, from };
}
