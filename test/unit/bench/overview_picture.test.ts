// docs/pictures/overview.svg is of the dashboard that there is, and says what was measured.
import { expect, test } from 'vitest';
import { readDashboards } from '../../../bench/dashboards.ts';
import { overviewPicture } from '../../../bench/overview_picture.ts';
import { readOverview, type OverviewPanel, type OverviewResult } from '../../../bench/overview_result.ts';
import { expectInsideFrame } from './inside_frame.ts';

const overviewPanel = (panel: Partial<OverviewPanel> & Pick<OverviewPanel, 'gridPos'>): OverviewPanel => ({
  title: 'made',
  type: 'timeseries',
  unit: 'short',
  isStacked: false,
  isLog: false,
  expressions: [],
  series: [
    { name: 'one', values: [0, 1, 2, null, 4, 0.002, 6, 7] },
    { name: 'two', values: [null, null, 2, 300, null, 2, 2, 0] },
  ],
  ...panel,
});

const MADE: OverviewResult = {
  size: { profiles: 100 },
  arms: {
    marks: [
      { seconds: 2, what: 'more' },
      { seconds: 5.3, what: 'kill -9' },
    ],
    stepSeconds: 1,
    panels: [
      overviewPanel({ type: 'stat', gridPos: { x: 0, y: 0, w: 24, h: 4 } }),
      overviewPanel({ gridPos: { x: 0, y: 4, w: 12, h: 8 }, unit: 'ops' }),
      overviewPanel({ gridPos: { x: 12, y: 4, w: 12, h: 8 }, unit: 's', isLog: true }),
      overviewPanel({ gridPos: { x: 0, y: 12, w: 12, h: 8 }, isStacked: true }),
      overviewPanel({ gridPos: { x: 12, y: 12, w: 12, h: 8 }, unit: 'bytes' }),
    ],
  },
};

test('the picture of the overview is of the panels that the dashboard has: else npm run bench -- overview', () => {
  const measured = readOverview()!.arms.panels;
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
  const svg = overviewPicture(MADE);
  expectInsideFrame(svg);
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
