// Erasures of one shard, over all lives of it: requests become jobs, and while the shard is active its jobs are taken to their end.
// SR1: a request is answered when its job is in the bucket: from then on it is done, whatever happens to the worker.
// SR2: what a crash has left is gone on with when the shard is active again. A message that asks for an erasure and is still in the log
//      is such a request too: its own removal is the end of it.
// SR3: one run at a time. Jobs that come together share one rewriting of the store, and there is at most one in 5 s.
// SR4: no identity is logged, or written anywhere but in what is removed.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { errorText, VisageError } from '../base/errors.ts';
import type { Settings } from '../definitions/settings.ts';
import { identityKey, parseIdentityKey, partitionOf, type IdentityKey } from '../message/identity.ts';
import { OPERATION_HEADER } from '../message/decode.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { Topology } from '../message/subject.ts';
import type { EraseAccepted } from '../ports/erase_service.ts';
import type { ShardLog } from '../ports/log.ts';
import type { Connection } from '../nats/connection.ts';
import type { Shard } from '../shard/shard.ts';
import { lastCompaction } from '../store/lmdb_compaction.ts';
import { eraseRequests } from '../stream/removal.ts';
import { eraseAll, needsCompaction } from './erase_steps.ts';
import type { EraseJob, EraseJobs } from './erase_jobs.ts';
import type { ShardLife } from './shard_machine.ts';
import type { ShardErasures } from './shard_erasures.ts';
import type { ShardSnapshots } from './shard_snapshots.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';

const GATHER_MS = 200;
const COMPACTION_EVERY_MS = 5_000;
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 60_000;

export type EraserOptions = {
  readonly nc: Connection;
  readonly topology: Topology;
  readonly settings: Settings;
  readonly shard: number;
  readonly jobs: EraseJobs;
  readonly erasures: ShardErasures;
  readonly log: ShardLog;
  readonly snapshots: ShardSnapshots;
  readonly meta: MetaBucket;
  readonly report: ShardLife['log'];
  readonly nowMs: () => number;
};

export type ErasingLife = {
  readonly shard: Shard;
  /** Of its store. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Why the store was not rewritten when it should have been; undefined: it was, or need not be. */
  readonly notCompacted: unknown;
};

export class ShardEraser {
  private readonly options: EraserOptions;
  /** Jobs that are not done, as far as is known; and identities that a message in the log asks for. */
  private readonly open = new Set<string>();
  private readonly asked = new Map<string, IdentityKey>();
  private wake = Promise.withResolvers<void>();
  private working: Promise<void> = Promise.resolve();
  private compactionFailures = 0;

  constructor(options: EraserOptions) {
    this.options = options;
  }

  /** @throws VisageError `unavailable` (retry): it may be accepted or not */
  async request(key: IdentityKey): Promise<EraseAccepted> {
    const { shard, erasures } = this.options;
    const request = randomUUID();
    const hash = erasures.name(key);
    await this.ask(hash, request);
    return { shard, hash, request };
  }

  /** A message that was just applied asks for it. */
  askedByMessage(key: IdentityKey): void {
    this.asked.set(this.options.erasures.name(key), key);
    this.wake.resolve();
  }

  /** Takes jobs to their end until the life does. @throws VisageError `compacting` (retry): the life must end, and the store be rewritten */
  work(life: ErasingLife): Promise<void> {
    // the run of an earlier life may still wait for an answer
    const run = this.working.catch(() => undefined).then(() => this.run(life));
    this.working = run;
    run.catch(() => undefined); // whoever called sees it
    return run;
  }

  private async ask(hash: string, request: string): Promise<void> {
    const { jobs, shard, nowMs } = this.options;
    await jobs.ask(shard, hash, request, nowMs());
    this.open.add(hash);
    this.wake.resolve();
  }

  private async run(life: ErasingLife): Promise<void> {
    const { signal, notCompacted } = life;
    const stop = (): void => this.wake.resolve();
    signal.addEventListener('abort', stop, { once: true });
    let failures = 0;
    let adopted = false;
    try {
      if (notCompacted !== undefined) await this.failed(notCompacted, this.compactionFailures++, signal);
      while (!signal.aborted) {
        try {
          if (!adopted) await this.adopt();
          adopted = true;
          await this.askForMessages();
          if (this.open.size > 0) await this.turn(life, failures > 0);
          failures = 0;
        } catch (error) {
          if (signal.aborted) return;
          if (error instanceof VisageError && error.code === 'compacting') throw error;
          await this.failed(error, failures++, signal);
          continue;
        }
        if (this.open.size === 0 && this.asked.size === 0) await this.wake.promise;
        this.wake = Promise.withResolvers();
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** What an earlier life has left. */
  private async adopt(): Promise<void> {
    const { jobs, shard, nc, topology } = this.options;
    for (const { hash } of await jobs.unfinished(shard)) this.open.add(hash);
    for await (const message of eraseRequests({ nc, topology, shard })) {
      const key = this.keyAskedFor(message);
      if (key !== undefined) this.asked.set(this.options.erasures.name(key), key);
    }
  }

  private async askForMessages(): Promise<void> {
    const { jobs, shard, nc, topology } = this.options;
    for (const [hash, key] of [...this.asked]) {
      let last = 0;
      for await (const message of eraseRequests({ nc, topology, shard }, key))
        if (this.keyAskedFor(message) !== undefined) last = message.sequence;
      const job = last === 0 ? undefined : await jobs.get(shard, hash);
      const isPartOfIt = job !== undefined && job.step !== 'done' && (job.sequence === null || job.sequence > last);
      if (last > 0 && !isPartOfIt) await this.ask(hash, `message ${last}`);
      if (isPartOfIt) this.open.add(hash);
      this.asked.delete(hash);
    }
  }

  /** @param apart one job after the other: what one of them cannot do must not keep the others */
  private async turn(life: ErasingLife, apart: boolean): Promise<void> {
    const { folder, signal } = life;
    await delay(GATHER_MS, undefined, { signal });
    let jobs = await this.jobs();
    const lastMs = lastCompaction(folder)?.timeMs ?? 0;
    const waitMs = Math.min(lastMs + COMPACTION_EVERY_MS - this.options.nowMs(), COMPACTION_EVERY_MS);
    if (waitMs > 0 && jobs.some((job) => needsCompaction(folder, job))) {
      await delay(waitMs, undefined, { signal });
      jobs = await this.jobs(); // those that came meanwhile are taken along
    }
    let failed: { readonly error: unknown } | undefined;
    for (const some of apart ? jobs.map((job) => [job]) : [jobs]) {
      try {
        await this.eraseSome(life, some);
      } catch (error) {
        if (!apart || signal.aborted || (error instanceof VisageError && error.code === 'compacting')) throw error;
        failed ??= { error };
      }
    }
    if (failed !== undefined) throw failed.error;
  }

  private async eraseSome({ shard, folder, signal }: ErasingLife, jobs: readonly EraseJob[]): Promise<void> {
    if (jobs.length === 0) return;
    await eraseAll({ ...this.options, shard, folder, signal }, jobs);
    this.compactionFailures = 0;
    for (const { hash } of jobs) this.options.report('info', `erased ${hash.slice(0, 12)}`);
  }

  private async jobs(): Promise<readonly EraseJob[]> {
    const { jobs, shard, nowMs } = this.options;
    const found: EraseJob[] = [];
    for (const hash of [...this.open]) {
      let job = await jobs.get(shard, hash);
      if (job?.step === 'done' && job.again.length > 0) job = await jobs.begin(job, nowMs());
      if (job === undefined || job.step === 'done') this.open.delete(hash);
      else found.push(job);
    }
    return found;
  }

  private async failed(error: unknown, failures: number, signal: AbortSignal): Promise<void> {
    const { jobs, shard, report } = this.options;
    report('warn', 'an erasure does not go on; it is tried again', error);
    const problem = error instanceof VisageError ? errorText(error) : 'a defect; the log of the worker says more';
    try {
      for (const hash of this.open) {
        const job = await jobs.get(shard, hash);
        if (job !== undefined && job.step !== 'done' && job.problem !== problem) await jobs.note(job, { problem });
      }
    } catch {
      // who waits for it is told later
    }
    await delay(Math.min(RETRY_MS * 2 ** failures, RETRY_MS_MAX), undefined, { signal }).catch(() => undefined);
  }

  /** Undefined: it asks for something else, or names nobody. A wildcard in its subject must not name everybody. */
  private keyAskedFor(message: LogMessage): IdentityKey | undefined {
    const { settings, shard } = this.options;
    const key = message.subject.split('.').slice(-2).join('.');
    try {
      const isErase = Object.entries(message.headers?.() ?? {}).some(
        ([name, value]) => name.toLowerCase() === OPERATION_HEADER.toLowerCase() && value === 'erase',
      );
      if (!isErase || identityKey(parseIdentityKey(key)) !== key) return undefined;
    } catch {
      return undefined; // no identity, or headers that nobody can read
    }
    return partitionOf(key, settings.partitions) === shard ? key : undefined;
  }
}
