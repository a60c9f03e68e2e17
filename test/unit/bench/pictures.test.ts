// docs/pictures shows the committed results, and nothing else. UPDATE_DOCS=1 writes it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readDashboards } from '../../../bench/dashboards.ts';
import { overviewPicture } from '../../../bench/overview_picture.ts';
import { latencyPicture, memoryPicture, PICTURES, pictures, throughputPicture } from '../../../bench/plot.ts';
import { readResult } from '../../../bench/result_files.ts';
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
  ['throughput', throughputPicture(RESULTS.throughput)],
  ['latency', latencyPicture(RESULTS.latency)],
  ['memory', memoryPicture(RESULTS.memory)],
  ['windows', windowsPicture(RESULTS.windows)],
  ['expiry', expiryPicture(RESULTS.expiry)],
  ['herd', herdPicture(RESULTS.herd)],
  ['overview', overviewPicture(RESULTS.overview)],
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

test('the picture of the overview is of the panels that the dashboard has: else npm run bench -- overview', () => {
  const measured = readResult('overview')!.arms.panels;
  const { panels } = readDashboards().get('overview.json')!;
  expect(measured.map(({ title, unit, gridPos, expressions }) => ({ title, unit, gridPos, expressions }))).toEqual(
    panels.map(({ title, fieldConfig, gridPos, targets }) => ({
      title,
      unit: fieldConfig.defaults.unit,
      gridPos,
      expressions: targets.map(({ expr }) => expr),
    })),
  );
});

test('the picture of the overview leaves out what there is not, stacks what is stacked, and names marks and lines', () => {
  const svg = overviewPicture(RESULTS.overview);
  const [, ...panels] = svg.split('class="heading"');
  expect(panels).toHaveLength(4);
  // 0 1 2 · 4 0.002 6 7 and 2 300 · 2 2 0: a gap ends a line
  for (const panel of panels) expect(panel.match(/<polyline class="[ab] line"/g)).toHaveLength(4);
  expect(panels.map((panel) => panel.match(/<polygon/g)?.length ?? 0)).toEqual([0, 0, 4, 0]);
  for (const panel of panels) expect(panel.match(/<polyline class="limit"/g)).toHaveLength(2);
  expect(svg).toContain('A at 2 s: more · B at 5 s: kill -9');
  expect(svg).toContain('>1,000 s<');
  expect(svg).toContain('>1 ms<');
});
