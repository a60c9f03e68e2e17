import type { Msg } from '@nats-io/transport-node';
import { PermissionViolationError } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { bytesPerSecond, LogRoom } from '../../../src/producer/log_room.ts';

const MB = 1024 ** 2;
const FRAME_BYTES = 48;

describe('bytesPerSecond', () => {
  test('no limit up to 80 %, then less and less, nothing at the end, and no jump between', () => {
    for (const share of [0, 0.5, 0.8]) expect(bytesPerSecond(share * 1000 * MB, 1000 * MB)).toBe(Infinity);
    let before = Infinity;
    for (let permille = 801; permille <= 1000; permille++) {
      const now = bytesPerSecond(permille * MB, 1000 * MB);
      expect(now).toBeLessThan(before);
      if (permille > 805 && permille < 1000) expect(now / before).toBeGreaterThan(0.45);
      before = now;
    }
    expect(before).toBe(0);
    expect(bytesPerSecond(1001 * MB, 1000 * MB)).toBe(0);
    expect(Math.round(bytesPerSecond(900 * MB, 1000 * MB) / 1024)).toBe(341); // what is left lasts 5 min
  });

  test('a log of any size that is busy but ages out is not slowed: 90 % of a week of 150 kB/s', () => {
    expect(bytesPerSecond(90_000 * MB, 100_000 * MB)).toBeGreaterThan(30 * MB);
  });

  test('a log without a limit slows nothing', () => {
    expect(bytesPerSecond(9e15, Infinity)).toBe(Infinity);
    expect(bytesPerSecond(NaN, NaN)).toBe(Infinity);
  });
});

type Told = { bytes: number; bytesMax: number; discard?: string };

/** A server that tells how full the log is, and counts how often it is asked. */
function server(told: Told): { readonly nc: ConstructorParameters<typeof LogRoom>[0]; readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    nc: {
      request: (subject) => {
        asked.push(subject);
        const { bytes, bytesMax, discard = 'new' } = told;
        const answer = { config: { max_bytes: bytesMax, discard }, state: { bytes } };
        return Promise.resolve({ json: () => answer } as unknown as Msg);
      },
    },
  };
}

describe('LogRoom', () => {
  test('asks once a second at most, and only when it is told to look', async () => {
    const { nc, asked } = server({ bytes: 0, bytesMax: 100 * MB });
    const room = new LogRoom(nc, 'VISAGE_LOG');
    for (let nowMs = 0; nowMs <= 3_000; nowMs += 10) await room.lookAgain(nowMs);
    expect(asked).toEqual(Array.from({ length: 4 }, () => '$JS.API.STREAM.INFO.VISAGE_LOG'));
  });

  test('counts what went since the last answer, so that a log that fills between two answers is not overrun', async () => {
    const { nc } = server({ bytes: 0, bytesMax: MB });
    const room = new LogRoom(nc, 'VISAGE_LOG');
    await room.lookAgain(0);
    let messages = 0;
    for (; room.places(10) > 0 && messages < 10_000; messages++) room.took(1_000 - FRAME_BYTES, 10);
    expect(messages * 1_000).toBeGreaterThan(0.8 * MB);
    expect(messages * 1_000).toBeLessThan(0.85 * MB);
  });

  test('one a second at the end, also when it is overfull', async () => {
    const { nc } = server({ bytes: MB + 1, bytesMax: MB });
    const room = new LogRoom(nc, 'VISAGE_LOG');
    await room.lookAgain(0);
    const wentAtMs: number[] = [];
    for (let nowMs = 100; nowMs < 10_000; nowMs++) {
      if (room.waitMs(nowMs) > 0) continue;
      expect(room.places(nowMs)).toBe(1);
      room.took(500, nowMs);
      wentAtMs.push(nowMs);
    }
    expect(wentAtMs.length).toBe(10); // the one at once had some credit
    expect(wentAtMs[9]! - wentAtMs[1]!).toBe(8_000);
  });

  test('ten producers that would fill a log in 20 s, and hear of each other once a second, leave room for minutes', async () => {
    const told = { bytes: 0, bytesMax: 2_000 * MB };
    const { nc } = server(told);
    const rooms = Array.from({ length: 10 }, () => new LogRoom(nc, 'VISAGE_LOG'));
    const MESSAGE = 10_000;
    const UNSLOWED = told.bytesMax / 20 / 100 / 10; // of one producer in 10 ms
    let fastest = 0;
    for (let nowMs = 0; nowMs < 240_000; nowMs += 10) {
      const before = told.bytes;
      for (const room of rooms) {
        await room.lookAgain(nowMs);
        for (let sent = 0; sent < UNSLOWED && room.waitMs(nowMs) === 0; sent += MESSAGE) {
          room.took(MESSAGE, nowMs);
          told.bytes += MESSAGE;
        }
      }
      if (nowMs === 5_000) fastest = told.bytes - before;
    }
    expect(fastest).toBeGreaterThanOrEqual(10 * UNSLOWED);
    expect(told.bytes / told.bytesMax).toBeGreaterThan(0.95);
    expect(told.bytes / told.bytesMax).toBeLessThan(1);
  });

  test('fast again with the first answer that there is room, and says so', async () => {
    const told = { bytes: 0.99 * MB, bytesMax: MB };
    const { nc } = server(told);
    const room = new LogRoom(nc, 'VISAGE_LOG');
    await room.lookAgain(0);
    room.took(1_000, 0);
    expect([room.why(5), room.places(5)]).toEqual([null, 0]); // nobody was held up yet
    room.held(5);
    expect(room.why(5)).toMatch(/more than 80 % full/);
    expect(room.why(2_006)).toBe(null); // for a while nobody
    room.held(2_100);
    told.bytesMax = 10 * MB;
    await room.lookAgain(2_100);
    expect([room.why(2_101), room.places(2_101), room.waitMs(2_101)]).toEqual([null, Infinity, 0]);
  });

  test('what is not known slows nothing: no limit, an end that is dropped, no right, no answer', async () => {
    const full: Told = { bytes: MB, bytesMax: MB };
    for (const told of [
      { ...full, bytesMax: -1 },
      { ...full, discard: 'old' },
    ]) {
      const room = new LogRoom(server(told).nc, 'VISAGE_LOG');
      await room.lookAgain(0);
      room.took(1_000, 1);
      expect(room.places(2)).toBe(Infinity);
    }
    for (const [error, times] of [
      [new PermissionViolationError('no', 'publish', '$JS.API.STREAM.INFO.VISAGE_LOG'), 1],
      [new Error('timeout'), 3],
    ] as const) {
      const { nc } = server(full);
      const room = new LogRoom(nc, 'VISAGE_LOG');
      await room.lookAgain(0);
      room.took(1_000, 1);
      expect(room.places(2)).toBe(0);
      let asked = 0;
      nc.request = () => {
        asked++;
        return Promise.reject(error);
      };
      for (const nowMs of [1_000, 2_000, 3_000]) await room.lookAgain(nowMs);
      expect([asked, room.places(3_001)]).toEqual([times, Infinity]); // who has no right does not ask again
    }
  });
});
