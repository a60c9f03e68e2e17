// F1: the process dies at every await of a small world, one after the other.
import { expect, it } from 'vitest';
import { crashWalk } from '../../src/simulation/crash_walk.ts';
import { describeSeed } from '../../src/simulation/replay_command.ts';
import { definitions, FILES } from './worlds.ts';

const EVENTS = 12;
/** Small worlds of both clocks, with events, records, deletes and erasures, with other faults and without. */
const SEEDS = [46, 35, 110];
const POINTS_MIN = 1_000;

it('survives a death at every await', async () => {
  let points = 0;
  for (const seed of SEEDS) {
    const { awaits, failed } = await crashWalk({ seed, document: definitions(FILES[0]), events: EVENTS });
    points += awaits;
    const lines = failed.map(({ crashAt, result }) => describeSeed(result, { events: EVENTS, crashAt }));
    expect(lines.slice(0, 3)).toEqual([]);
  }
  expect(points).toBeGreaterThan(POINTS_MIN);
});
