import { expect, it } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import type { StreamState } from '../../../src/ports/log.ts';
import { StreamWatch } from '../../../src/shard/stream_watch.ts';

const KNOWN = {
  log: { created: 'l1', firstSequence: 1, lastSequence: 10 },
  changes: { created: 'c1', firstSequence: 1, lastSequence: 7 },
};

function watch(now: { readonly log?: Partial<StreamState> | Error; readonly changes?: Partial<StreamState> }): StreamWatch {
  const state = <T>(known: T, other: Partial<T> | Error | undefined): Promise<T> =>
    other instanceof Error ? Promise.reject(other) : Promise.resolve({ ...known, ...other });
  return new StreamWatch({
    log: { state: () => state(KNOWN.log, now.log) },
    sink: { state: () => state(KNOWN.changes, now.changes) },
    logCreated: 'l1',
    changesCreated: 'c1',
  });
}

it.each([
  ['as they were', {}, undefined],
  ['the log was made again', { log: { created: 'l2' } }, 'stream_changed'],
  ['the log lost its end', { log: { lastSequence: 9 } }, 'stream_changed'],
  ['the change stream was made again', { changes: { created: 'c2' } }, 'stream_changed'],
  ['the change stream lost its end', { changes: { lastSequence: 6 } }, 'stream_changed'],
  ['the log is gone', { log: new VisageError('no_stream', 'gone') }, 'no_stream'],
  ['nobody answers', { log: new VisageError('unavailable', 'away', { kind: 'retry' }) }, undefined],
] as const)('%s', async (_, now, code) => {
  expect((await watch(now).look(10, 7))?.code).toBe(code);
});

it('asks once at a time', async () => {
  const streams = watch({ log: { created: 'l2' } });
  const [first, second] = await Promise.all([streams.look(10, 7), streams.look(10, 7)]);
  expect([first?.code, second]).toEqual(['stream_changed', undefined]);
});
