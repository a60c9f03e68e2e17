// docs/pictures shows the committed results, and nothing else. UPDATE_DOCS=1 writes it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { goalsPicture, pairsPicture, storingPicture } from '../../../bench/bar_pictures.ts';
import { latencyPicture, memoryPicture, PICTURES, pictures, throughputPicture } from '../../../bench/plot.ts';
import { expiryPicture, herdPicture, windowsPicture } from '../../../bench/window_pictures.ts';
import { RESULTS } from './made_results.ts';

test('the pictures are those of the committed results', () => {
  const expected = pictures();
  const there = existsSync(PICTURES) ? readdirSync(PICTURES).filter((name) => name.endsWith('.svg')) : [];
  if (process.env['UPDATE_DOCS'] === '1') {
    mkdirSync(PICTURES, { recursive: true });
    for (const name of there) if (!expected.has(name)) rmSync(new URL(name, PICTURES));
    for (const [name, svg] of expected) writeFileSync(new URL(name, PICTURES), svg);
    return;
  }
  expect(there.sort()).toEqual([...expected.keys()].sort());
  for (const [name, svg] of expected) expect(readFileSync(new URL(name, PICTURES), 'utf8'), name).toBe(svg);
});

test.each([
  ['goals', goalsPicture(RESULTS)],
  ['pairs', pairsPicture(RESULTS)],
  ['storing', storingPicture(RESULTS.snapshot)],
  ['throughput', throughputPicture(RESULTS.throughput)],
  ['latency', latencyPicture(RESULTS.latency)],
  ['memory', memoryPicture(RESULTS.memory)],
  ['windows', windowsPicture(RESULTS.windows)],
  ['expiry', expiryPicture(RESULTS.expiry)],
  ['herd', herdPicture(RESULTS.herd)],
])('the picture of %s draws inside its frame, on both backgrounds', (_, svg) => {
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number) as [number, number, number];
  const points = [...svg.matchAll(/points="([^"]+)"/g)].flatMap(([, list]) =>
    list!.split(' ').map((pair) => pair.split(',').map(Number)),
  );
  expect(points.length).toBeGreaterThan(0);
  for (const [x, y] of points) {
    expect(x).toBeGreaterThan(0);
    expect(x).toBeLessThan(width);
    expect(y).toBeGreaterThan(0);
    expect(y).toBeLessThan(height);
  }
  expect(svg).toContain('prefers-color-scheme: dark');
});
