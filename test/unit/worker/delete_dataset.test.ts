// Waiting until a delete has gone through every profile: what counts as through, and what ends the wait.
import { expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import type { WorkerStatus } from '../../../src/ports/reads.ts';
import { awaitDelete, type Sweeping } from '../../../src/worker/delete_dataset.ts';

type Shard = WorkerStatus['shards'][number];

const DELETES = [
  { shard: 0, sequence: 10, timeMs: 1 },
  { shard: 1, sequence: 11, timeMs: 1 },
];
const shard = (n: number, figures: Readonly<Record<string, unknown>>): Shard => ({
  shard: n,
  state: 'active',
  reason: null,
  reasonCode: null,
  ...figures,
});

/** @param answers one a look; the last again and again. Null: no worker. */
async function wait(answers: readonly (readonly Shard[] | null)[], noWorkerMs = 60_000): Promise<(number | string | null)[][]> {
  let n = 0;
  const seen: Sweeping[] = [];
  const status = (): Promise<WorkerStatus> => {
    const shards = answers[Math.min(n++, answers.length - 1)]!;
    if (shards === null) return Promise.reject(new VisageError('no_worker', 'nobody', { kind: 'retry' }));
    return Promise.resolve({ instance: 'one', version: '0', pid: 1, startedAt: '', ready: true, shards });
  };
  await awaitDelete({ status }, DELETES, (sweeping) => seen.push(sweeping), noWorkerMs);
  return seen.map(({ done, of, waitingFor }) => [done, of, waitingFor]);
}

const THROUGH = [shard(0, { applied: 10, activating: false }), shard(1, { applied: 11, activating: false })];

test('every shard has applied it and gone through its profiles', async () => {
  expect(
    await wait([
      [shard(0, { applied: 10, activating: false })], // shard 1 is nobody's yet
      [shard(0, { applied: 10, activating: false }), shard(1, {})], // it is being restored
      [shard(0, { applied: 10, activating: true }), shard(1, { applied: 11, activating: true })],
      [shard(0, { applied: 10, activating: false }), shard(1, { applied: 10, activating: false })],
      THROUGH,
    ]),
  ).toEqual([
    [1, 2, null],
    [1, 2, null],
    [0, 2, null],
    [1, 2, null],
    [2, 2, null],
  ]);
});

test('a worker that is away for a while is waited for', async () => {
  expect(await wait([null, null, THROUGH])).toEqual([
    [0, 2, 'no worker answers'],
    [0, 2, 'no worker answers'],
    [2, 2, null],
  ]);
});

test('no worker, or a shard that is halted: it says that the delete stands', async () => {
  await expect(wait([null], 150)).rejects.toMatchObject({
    code: 'not_swept',
    message: expect.stringMatching(/in the log of every shard.*no worker/) as string,
  });
  const halted = [THROUGH[0]!, { ...shard(1, { applied: 5 }), state: 'halted', reason: 'the log was made again' }];
  await expect(wait([halted])).rejects.toMatchObject({
    code: 'not_swept',
    message: expect.stringContaining('shard 1 is halted: the log was made again') as string,
  });
});
