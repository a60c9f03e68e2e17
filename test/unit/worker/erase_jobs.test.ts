// Jobs of erasures: who asks when, and what they are told at the end.
import { beforeEach, expect, it } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import { topologyOf } from '../../../src/message/subject.ts';
import type { MetaBucket } from '../../../src/stream/meta_bucket.ts';
import { describeStep, ERASE_STEPS, EraseJobs, receiptOf, type EraseJob } from '../../../src/worker/erase_jobs.ts';

const HASH = 'f'.repeat(64);
const NOW = Date.parse('2026-03-10T09:00:00Z');

let values: Map<string, { value: string; revision: number }>;
/** So many writes are refused because somebody else was first. */
let conflicts: number;
let jobs: EraseJobs;

beforeEach(() => {
  values = new Map();
  conflicts = 0;
  const bucket: Pick<MetaBucket, 'entry' | 'putAt' | 'get'> = {
    entry: (key) => Promise.resolve(values.get(key) ?? { value: undefined, revision: 0 }),
    get: (key) => Promise.resolve(values.get(key)?.value),
    putAt(key, value, revision) {
      if (conflicts-- > 0 || revision !== (values.get(key)?.revision ?? 0))
        return Promise.reject(new VisageError('conflict', 'somebody else has written it', { kind: 'retry' }));
      values.set(key, { value, revision: revision + 1 });
      return Promise.resolve(revision + 1);
    },
  };
  jobs = new EraseJobs(undefined as never, topologyOf('visage'), bucket as MetaBucket);
});

async function done(job: EraseJob): Promise<EraseJob> {
  const news = { step: 'done', erasedAt: 'then', compactedAt: 'before', messages: 3, holes: 3 } as const;
  return jobs.note(await jobs.note(job, { step: 'appended', sequence: 9 }), news);
}

it('a request is a job; one that comes before the erase message is part of it', async () => {
  await jobs.ask(2, HASH, 'one', NOW);
  const job = await jobs.ask(2, HASH, 'two', NOW + 5);
  expect(job).toMatchObject({ step: 'asked', requests: ['one', 'two'], again: [], requestedAt: '2026-03-10T09:00:00.000Z' });
  expect([...values.keys()]).toEqual([`erasure.2.${HASH}`]);
  expect(await jobs.isDone(2, HASH)).toBe(false);
  const last = await done(job);
  expect(receiptOf(job, 'one')).toBeUndefined();
  expect(receiptOf(last, 'one')).toEqual({
    hash: HASH,
    shard: 2,
    sequence: 9,
    erasedAt: 'then',
    messages: 3,
    deadLetters: 0,
    holes: 3,
    compactedAt: 'before',
    changesGoneBy: null,
  });
  expect(receiptOf(last, 'two')).toBeDefined();
  expect(receiptOf(last, 'somebody else')).toBeUndefined();
  expect(await jobs.isDone(2, HASH)).toBe(true);
  expect(await jobs.isDone(3, HASH)).toBe(false);
});

it('one that comes later waits for the next, which begins when the first is done', async () => {
  const first = await jobs.note(await jobs.ask(0, HASH, 'one', NOW), { step: 'appended', sequence: 7 });
  await jobs.ask(0, HASH, 'late', NOW + 1);
  const job = await jobs.note(first, { step: 'done', erasedAt: 'then', compactedAt: 'before' });
  expect(job.again).toEqual(['late']); // although `first` did not know of it
  expect(receiptOf(job, 'one')).toBeDefined();
  expect(receiptOf(job, 'late')).toBeUndefined();
  expect(await jobs.isDone(0, HASH)).toBe(false);
  const next = await jobs.begin(job, NOW + 2);
  expect(next).toMatchObject({ step: 'asked', sequence: null, requests: ['one', 'late'], again: [], messages: 0 });
  const end = await done(next);
  expect(receiptOf(end, 'late')).toMatchObject({ sequence: 9 });
  expect(receiptOf(end, 'one')).toMatchObject({ sequence: 9 }); // who still waits is told of the later one, which is more
  expect(await jobs.begin(end, NOW + 3)).toEqual(end);
});

it('a request for somebody who was erased before begins anew', async () => {
  await done(await jobs.ask(0, HASH, 'one', NOW));
  const job = await jobs.ask(0, HASH, 'two', NOW + 9);
  expect(job).toMatchObject({ step: 'asked', sequence: null, erasedAt: null, requestedAt: '2026-03-10T09:00:00.009Z' });
  expect(receiptOf(job, 'one')).toBeUndefined();
});

it('whoever was first is not written over', async () => {
  conflicts = 3;
  expect(await jobs.ask(0, HASH, 'one', NOW)).toMatchObject({ requests: ['one'] });
  expect(conflicts).toBeLessThan(0);
});

it('a step that is done takes the problem away, and every step has words', async () => {
  const job = await jobs.note(await jobs.ask(0, HASH, 'one', NOW), { problem: 'the log is full' });
  expect(job.problem).toBe('the log is full');
  expect((await jobs.note(job, { step: 'appended', sequence: 3 })).problem).toBeNull();
  expect(new Set(ERASE_STEPS.map(describeStep)).size).toBe(ERASE_STEPS.length);
});
