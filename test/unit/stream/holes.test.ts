// Holes between messages: in order, each once, and never where a message still is.
import { describe, expect, it } from 'vitest';
import { parseControl, type ErasedMessage } from '../../../src/message/control.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import type { LogBatch, LogReader } from '../../../src/ports/log.ts';
import { firstBeforeHoles, HoleReader, holesAfter } from '../../../src/stream/holes.ts';

const SUBJECT = 'visage.log.0.ctl.hole';

function erased(...holes: number[]): ErasedMessage {
  return { kind: 'erased', erase: 100, part: 1, parts: 1, holes, changeCount: 0, changeDigest: 0, version: 0 };
}

function message(sequence: number): LogMessage {
  return { sequence, stampMs: sequence, subject: 'visage.log.0.in.orders.customerId.a', body: new Uint8Array(), headers: null };
}

function readerOf(...batches: readonly (readonly number[])[]): LogReader & { closed: boolean } {
  const left = [...batches];
  return {
    closed: false,
    next(): Promise<LogBatch | null> {
      const batch = left.shift();
      const pending = left.flat().length;
      return Promise.resolve(batch === undefined ? null : { messages: batch.map(message), pending });
    },
    readThrough: () => Promise.resolve(77),
    close(): Promise<void> {
      this.closed = true;
      return Promise.resolve();
    },
  };
}

async function readAll(reader: LogReader): Promise<{ read: string[]; pending: number[] }> {
  const read: string[] = [];
  const pending: number[] = [];
  for (let batch = await reader.next(); batch !== null; batch = await reader.next()) {
    for (const { sequence, subject } of batch.messages) read.push(`${subject === SUBJECT ? 'hole ' : ''}${sequence}`);
    pending.push(batch.pending);
  }
  return { read, pending };
}

describe('holes of a shard', () => {
  it('come in order, each once, after the start, with stamp and time', () => {
    const holes = holesAfter([erased(9, 90, 0, 3, 30, 5), erased(3, 30, 5, 12, 120, 0)], SUBJECT, 2);
    expect(holes.map(({ sequence, stampMs }) => [sequence, stampMs])).toEqual([
      [3, 30],
      [9, 90],
      [12, 120],
    ]);
    expect(holes.map(({ body }) => parseControl('hole', body))).toEqual([
      { kind: 'hole', timeMs: 5 },
      { kind: 'hole' },
      { kind: 'hole' },
    ]);
    expect(holesAfter([erased(9, 90, 0, 3, 30, 5)], SUBJECT, 3).map(({ sequence }) => sequence)).toEqual([9]);
  });

  it('stand between the messages of a reader, and where a message still is there is none', async () => {
    const holes = holesAfter([erased(1, 1, 0, 2, 2, 0, 5, 5, 0, 6, 6, 0, 9, 9, 0)], SUBJECT, 0);
    const reader = new HoleReader(readerOf([3, 4], [5, 7, 8], [10]), holes);
    expect(await readAll(reader)).toEqual({
      read: ['hole 1', 'hole 2', '3', '4', '5', 'hole 6', '7', '8', 'hole 9', '10'],
      pending: [4 + 3, 1 + 1, 0],
    });
  });

  it('wait for the message behind them', async () => {
    const reader = new HoleReader(readerOf([1], [2]), holesAfter([erased(3, 3, 0)], SUBJECT, 0));
    expect((await readAll(reader)).read).toEqual(['1', '2']);
  });

  it('leave the reader what else it can', async () => {
    const inner = readerOf();
    const reader = new HoleReader(inner, []);
    expect(await reader.readThrough()).toBe(77);
    await reader.close();
    expect(inner.closed).toBe(true);
  });
});

describe('where a log begins', () => {
  it('is before the holes at its beginning, and no further', () => {
    expect(firstBeforeHoles(6, [erased(4, 0, 0, 5, 0, 0), erased(2, 0, 0)])).toBe(4);
    expect(firstBeforeHoles(4, [erased(1, 0, 0, 2, 0, 0), erased(3, 0, 0)])).toBe(1);
    expect(firstBeforeHoles(4, [])).toBe(4);
    expect(firstBeforeHoles(4, [erased(2, 0, 0)])).toBe(4);
  });
});
