// docs/pictures shows the committed results, and nothing else. UPDATE_DOCS=1 writes it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { goalsPicture, pairsPicture, storingPicture } from '../../../bench/bar_pictures.ts';
import { allPictures, latencyPicture, memoryPicture, PICTURES, throughputPicture } from '../../../bench/plot.ts';
import { expiryPicture, herdPicture, windowsPicture } from '../../../bench/window_pictures.ts';
import { expectInsideFrame } from './inside_frame.ts';
import { RESULTS } from './made_results.ts';

test('the pictures are those of the committed results', () => {
  const expected = allPictures();
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
  expectInsideFrame(svg);
});
