import { expect, test } from 'vitest';
import { WindowEvents } from '../../../bench/window_events.ts';

test('once the window is full, every event that comes in pushes exactly one out', () => {
  const events = new WindowEvents({ values: 7, lateShare: 0, seed: 1 });
  const times: number[] = [];
  for (let i = 0; i < 100; i++) {
    const { nowMs, atMs } = events.next();
    expect(atMs).toBe(nowMs);
    times.push(atMs);
    expect(times.filter((ms) => ms >= nowMs - events.windowMs)).toHaveLength(Math.min(i + 1, 7));
  }
  expect(new Set(times.map((ms, i) => ms - (times[i - 1] ?? 0))).size).toBeGreaterThan(3); // irregular all the same
});

test('late events happened inside of the window, about as many as asked for', () => {
  const events = new WindowEvents({ values: 50, lateShare: 0.1, seed: 2 });
  const late = Array.from({ length: 2_000 }, () => events.next()).filter(({ atMs, nowMs }) => atMs < nowMs);
  expect(late.length).toBeGreaterThan(140);
  expect(late.length).toBeLessThan(260);
  for (const { atMs, nowMs } of late) expect(nowMs - atMs).toBeLessThanOrEqual(events.windowMs);
});
