// The jobs of erasures: what was asked for, how far it has come, and at the end the receipt. In the meta bucket, `erasure.<shard>.<hash>`.
// EJ1: no identity is in a job, only its keyed hash. EJ2: a change is made to what is there, or not at all.
// EJ3: a request that comes when the erase message is in the log already is for a next one: it may be about newer messages.
import { unreachable } from '../base/assert.ts';
import { formatTime } from '../base/time.ts';
import type { Topology } from '../message/subject.ts';
import type { Connection } from '../nats/connection.ts';
import { scanStream } from '../stream/erasure_scan.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { unlessConflict } from './unless_conflict.ts';

/** In this order. `asked`: the job is known · `appended`: the erase message is in the log at `sequence` · `stored`: applied, committed and in a
 *  checkpoint, and the store is rewritten · `noted`: the log says where its messages were · `lettersRemoved` · `done`: its messages are removed. */
export const ERASE_STEPS = ['asked', 'appended', 'stored', 'noted', 'lettersRemoved', 'done'] as const;
export type EraseStep = (typeof ERASE_STEPS)[number];

export type EraseReceipt = {
  readonly hash: string;
  readonly shard: number;
  /** Of the erase message in the log: everything before it is gone. */
  readonly sequence: number;
  readonly erasedAt: string;
  /** Removed from the log, and from the dead letters. */
  readonly messages: number;
  readonly deadLetters: number;
  /** How many places of the log are noted as empty. */
  readonly holes: number;
  readonly compactedAt: string;
  /** When the last change event that names the identity has aged out; null: the change stream keeps everything. */
  readonly changesGoneBy: string | null;
};

export type EraseJob = Omit<EraseReceipt, 'sequence' | 'erasedAt' | 'compactedAt'> & {
  readonly step: EraseStep;
  readonly requestedAt: string;
  /** Ids of the requests that it answers, and of those that came too late for it. */
  readonly requests: readonly string[];
  readonly again: readonly string[];
  readonly sequence: number | null;
  readonly compactedAt: string | null;
  readonly erasedAt: string | null;
  /** Why it does not go on for now; one line. */
  readonly problem: string | null;
};

const REQUESTS_MAX = 20;

export class EraseJobs {
  private readonly nc: Connection;
  private readonly topology: Topology;
  private readonly meta: MetaBucket;

  constructor(nc: Connection, topology: Topology, meta: MetaBucket) {
    this.nc = nc;
    this.topology = topology;
    this.meta = meta;
  }

  /** Those of a shard that are not done. @throws VisageError `unavailable`, `stream_changed` (retry) */
  async unfinished(shard: number): Promise<readonly EraseJob[]> {
    const { metaBucket } = this.topology;
    const jobs = new Map<string, EraseJob>();
    const filter = [`$KV.${metaBucket}.${keyOf(shard, '*')}`];
    for await (const { subject, body } of scanStream({ nc: this.nc, stream: `KV_${metaBucket}`, filter })) {
      if (body.length > 0) jobs.set(subject, parse(new TextDecoder().decode(body)));
    }
    return [...jobs.values()].filter(({ step, again }) => step !== 'done' || again.length > 0);
  }

  async get(shard: number, hash: string): Promise<EraseJob | undefined> {
    return jobOf(this.meta, shard, hash);
  }

  /** Nothing that was asked for is left to be done. */
  async isDone(shard: number, hash: string): Promise<boolean> {
    const job = await this.get(shard, hash);
    return job?.step === 'done' && job.again.length === 0;
  }

  /** Adds a request. @returns the job as it is now  @throws VisageError `unavailable` (retry): it may be added or not */
  ask(shard: number, hash: string, request: string, nowMs: number): Promise<EraseJob> {
    return this.change(shard, hash, (job) => {
      if (job === undefined || job.step === 'done') return newJob({ shard, hash, nowMs, requests: requestsOf(job, request) });
      if (job.step === 'asked') return { ...job, requests: requestsOf(job, request) };
      return { ...job, again: [...job.again, request].slice(-REQUESTS_MAX) };
    });
  }

  /** @throws VisageError `unavailable` (retry): it may be written or not */
  note(job: EraseJob, news: Partial<EraseJob>): Promise<EraseJob> {
    return this.change(job.shard, job.hash, (now) => ({ ...job, problem: null, ...news, again: now?.again ?? [] }));
  }

  /** Begins the next one for those that came too late for the last. */
  begin(job: EraseJob, nowMs: number): Promise<EraseJob> {
    const { shard, hash } = job;
    return this.change(shard, hash, (now) => {
      if (now === undefined || now.step !== 'done' || now.again.length === 0) return now ?? job;
      return newJob({ shard, hash, nowMs, requests: [...now.requests, ...now.again].slice(-REQUESTS_MAX) });
    });
  }

  private async change(shard: number, hash: string, changed: (job: EraseJob | undefined) => EraseJob): Promise<EraseJob> {
    const key = keyOf(shard, hash);
    for (;;) {
      const { value, revision } = await this.meta.entry(key);
      const next = changed(value === undefined ? undefined : parse(value));
      if ((await unlessConflict(this.meta.putAt(key, JSON.stringify(next), revision))) !== undefined) return next;
    }
  }
}

/** For those who wait for it. @throws VisageError `unavailable` (retry) */
export async function jobOf(meta: MetaBucket, shard: number, hash: string): Promise<EraseJob | undefined> {
  const value = await meta.get(keyOf(shard, hash));
  return value === undefined ? undefined : parse(value);
}

/** Undefined while it is not done, for this request. */
export function receiptOf(job: EraseJob, request: string): EraseReceipt | undefined {
  const { step, sequence, erasedAt, compactedAt, again, requests } = job;
  if (step !== 'done' || again.includes(request) || !requests.includes(request)) return undefined;
  const { hash, shard, messages, deadLetters, holes, changesGoneBy } = job;
  const at = { erasedAt: erasedAt!, messages, deadLetters, holes, compactedAt: compactedAt!, changesGoneBy };
  return { hash, shard, sequence: sequence!, ...at };
}

/** What is being done, for people. */
export function describeStep(step: EraseStep): string {
  switch (step) {
    case 'asked':
      return 'the erase message goes into the log';
    case 'appended':
      return 'the state is being stored, and the store rewritten';
    case 'stored':
      return 'where its messages are is being noted';
    case 'noted':
      return 'dead letters are being removed';
    case 'lettersRemoved':
      return 'messages are being removed from the log';
    case 'done':
      return 'done';
    default:
      return unreachable(step);
  }
}

function newJob(of: { shard: number; hash: string; nowMs: number; requests: readonly string[] }): EraseJob {
  const { shard, hash, nowMs, requests } = of;
  return {
    hash,
    shard,
    step: 'asked',
    requestedAt: formatTime(nowMs),
    requests,
    again: [],
    sequence: null,
    messages: 0,
    deadLetters: 0,
    holes: 0,
    erasedAt: null,
    compactedAt: null,
    changesGoneBy: null,
    problem: null,
  };
}

function requestsOf(job: EraseJob | undefined, request: string): readonly string[] {
  return [...(job?.requests ?? []), ...(job?.again ?? []), request].slice(-REQUESTS_MAX);
}

function keyOf(shard: number, hash: string): string {
  return `erasure.${shard}.${hash}`;
}

function parse(text: string): EraseJob {
  return JSON.parse(text) as EraseJob;
}
