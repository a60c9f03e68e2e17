// The same seed is the same world, on every machine and however busy it is.
import { expect, it } from 'vitest';
import { FILES, run } from './worlds.ts';

const SEEDS = [3, 14, 15, 92];

it('shows the same twice, alone and among others', async () => {
  const alone = [];
  for (const seed of SEEDS) alone.push(await run(seed, FILES[0]));
  // timers and turns of a busy process between the steps of the worlds, which run at the same time
  const noise = setInterval(() => undefined, 0);
  const together = await Promise.all(SEEDS.map((seed) => run(seed, FILES[0])));
  clearInterval(noise);
  expect(together).toEqual(alone);
  expect(new Set(alone.map(({ hash }) => hash)).size).toBe(SEEDS.length);
});
