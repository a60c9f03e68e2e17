// `erase`: asks a worker, and waits until the last byte is gone.
// EP1: the request stands once it is accepted: a command that is broken off, or a worker that dies, does not end it.
import { setTimeout as delay } from 'node:timers/promises';
import { VisageError } from '../base/errors.ts';
import type { EraseQuery } from '../ports/erase_service.ts';
import type { Client } from './client.ts';
import { jobOf, receiptOf, type EraseReceipt, type EraseStep } from './erase_jobs.ts';

const POLL_MS = 100;
const PATIENCE_MS = 30_000;

export type EraseProgress = {
  readonly shard: number;
  readonly hash: string;
  readonly step: EraseStep;
  /** Why it does not go on for now. */
  readonly problem: string | null;
};

/** @param onStep hears of each step, and of what keeps it   @param waitMs how long to wait for the end
 *  @throws VisageError `bad_identity` (usage) · `no_worker`, `shard_not_ready` (retry): nothing was accepted · `erase_late` (retry): it was
 *  accepted, and goes on */
export async function eraseProfile(
  client: Client,
  query: EraseQuery,
  { onStep, waitMs = Infinity }: { readonly onStep?: (progress: EraseProgress) => void; readonly waitMs?: number } = {},
): Promise<EraseReceipt> {
  const { shard, hash, request } = await client.erase(query);
  const endMs = Date.now() + waitMs;
  let last = '';
  let heardMs = Date.now();
  for (;;) {
    try {
      const job = await jobOf(client.meta, shard, hash);
      heardMs = Date.now();
      const receipt = job === undefined ? undefined : receiptOf(job, request);
      if (receipt !== undefined) return receipt;
      const now = `${job?.step} ${job?.problem}`;
      if (job !== undefined && now !== last) onStep?.({ shard, hash, step: job.step, problem: job.problem });
      last = now;
    } catch (error) {
      if (!(error instanceof VisageError) || error.kind !== 'retry' || Date.now() - heardMs > PATIENCE_MS) throw error;
    }
    if (Date.now() >= endMs) {
      const text = `the erasure ${hash.slice(0, 12)} in shard ${shard} was accepted and is not done yet: it goes on; run the command again to wait for it`;
      throw new VisageError('erase_late', text, { kind: 'retry' });
    }
    await delay(POLL_MS);
  }
}
