// Reading an identity's log: up to a sequence, never for ever, and the reader is closed in any case.
import { expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import type { LogBatch, LogReader } from '../../../src/ports/log.ts';
import type { IdentityLog } from '../../../src/stream/identity_log.ts';
import { readIdentity } from '../../../src/worker/read_identity.ts';

const message = (sequence: number): LogMessage => ({ sequence, stampMs: 0, subject: '', body: new Uint8Array(), headers: null });
const batch = (sequences: readonly number[], pending: number): LogBatch => ({ messages: sequences.map(message), pending });

/** Gives the batches, then nothing for ever. */
function logOf(batches: readonly LogBatch[], readThrough: () => number | undefined = () => undefined) {
  const left = [...batches];
  const seen = { closed: 0, asked: 0 };
  const reader: LogReader = {
    next() {
      seen.asked++;
      const next = left.shift();
      return next === undefined ? new Promise(() => undefined) : Promise.resolve(next);
    },
    readThrough: () => Promise.resolve(readThrough()),
    close: () => Promise.resolve(void seen.closed++),
  };
  const log: IdentityLog = { beginning: () => Promise.reject(new Error('not asked')), open: () => Promise.resolve(reader) };
  return { log, seen };
}

async function read(log: IdentityLog, through: number, ended: () => VisageError | undefined = () => undefined) {
  const taken: number[] = [];
  await readIdentity({ log, shard: 0, key: 'customerId.c', deleted: false, through, ended }, ({ sequence }) =>
    Promise.resolve(void taken.push(sequence)),
  );
  return taken;
}

test('it ends at the sequence, also in the middle of a batch', async () => {
  const { log, seen } = logOf([batch([1, 4], 9), batch([5, 8, 9], 6)]);
  expect(await read(log, 8)).toEqual([1, 4, 5, 8]);
  expect(seen).toEqual({ closed: 1, asked: 2 });
});

test('it ends when the log has nothing more for the identity', async () => {
  expect(await read(logOf([batch([1], 1), batch([4], 0)]).log, 100)).toEqual([1, 4]);
});

test('it ends when nothing comes and the reader is through', async () => {
  let looks = 0;
  const { log, seen } = logOf([batch([1], 1)], () => (++looks < 3 ? undefined : looks === 3 ? 99 : 100));
  expect(await read(log, 100)).toEqual([1]);
  expect([looks, seen.closed]).toEqual([4, 1]);
});

test('it ends when it must not go on', async () => {
  const stopped = new VisageError('stopped', 'stopped', { kind: 'retry' });
  const { log, seen } = logOf([batch([1], 1)]);
  let looks = 0;
  await expect(read(log, 100, () => (++looks > 4 ? stopped : undefined))).rejects.toBe(stopped);
  expect(seen.closed).toBe(1);
});

test('a reader that opens too late is closed when it does', async () => {
  const stopped = new VisageError('stopped', 'stopped', { kind: 'retry' });
  const opening = Promise.withResolvers<LogReader>();
  const { log, seen } = logOf([]);
  const late: IdentityLog = { ...log, open: () => opening.promise };
  await expect(read(late, 100, () => stopped)).rejects.toBe(stopped);
  opening.resolve(await log.open(0, '', false));
  await expect.poll(() => seen.closed).toBe(1);
});

test('it gives up at too many messages', async () => {
  const batches = Array.from({ length: 201 }, (_, n) =>
    batch(
      Array.from({ length: 1_000 }, (__, i) => n * 1_000 + i + 1),
      1,
    ),
  );
  const { log, seen } = logOf(batches);
  await expect(read(log, Infinity)).rejects.toMatchObject({ code: 'too_much_history', kind: 'refuse' });
  expect(seen.closed).toBe(1);
});
