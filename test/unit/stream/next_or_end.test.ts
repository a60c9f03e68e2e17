// The next messages of a stream, or its end: what comes while the end is asked for is not lost.
import { expect, test } from 'vitest';
import type { LogMessage } from '../../../src/message/log_message.ts';
import type { LogBatch, LogReader } from '../../../src/ports/log.ts';
import { nextOrEnd } from '../../../src/stream/next_or_end.ts';

const MESSAGE: LogMessage = { sequence: 8, stampMs: 0, subject: 's', body: new Uint8Array(), headers: null };

test('a message that comes while it is asked how far the reader is', async () => {
  const next = Promise.withResolvers<LogBatch | null>();
  const reader = {
    next: () => next.promise,
    readThrough: () => {
      next.resolve({ messages: [MESSAGE], pending: 0 });
      return Promise.resolve(7);
    },
  } as unknown as LogReader;
  expect(await nextOrEnd(reader, 7)).toEqual([MESSAGE]);
});

test('nothing more: null', async () => {
  const reader = { next: () => new Promise(() => undefined), readThrough: () => Promise.resolve(7) } as unknown as LogReader;
  expect(await nextOrEnd(reader, 7)).toBeNull();
});
