// The overview dashboard as it stood while it was measured: its panels where the dashboard has them, their titles and units.
import type { OverviewPanel, OverviewResult, OverviewSeries } from './overview_result.ts';
import { area, decades, line, PANEL_STYLE, picture, swatch, text, ticks, type Colour } from './svg.ts';

const WIDTH = 960;
const MARGIN = 12;
const TOP = 76;
const COLUMNS = 24;
const ROW = 26;
const COLOURS: readonly Colour[] = ['a', 'b', 'c', 'd'];
const LETTERS = 'ABCDEFG';
/** Of a panel: what its title, its axis and its legend take. */
const [PAD_LEFT, PAD_TOP, PAD_RIGHT, PAD_BOTTOM] = [58, 40, 14, 44];
/** Between marks of time, in seconds. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300];

type Frame = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
type Scale = (value: number) => number;
type Time = { readonly stepSeconds: number; readonly seconds: number; readonly marks: readonly number[] };

export function overviewPicture({ arms, size }: OverviewResult): string {
  const { panels, marks, stepSeconds } = arms;
  const seconds = Math.max(...panels.flatMap(({ series }) => series.map(({ values }) => (values.length - 1) * stepSeconds)));
  const time = { stepSeconds, seconds, marks: marks.map((mark) => mark.seconds) };
  const title = `The overview dashboard: two workers on two cores, ${size.profiles.toLocaleString('en')} customers`;
  const said = marks.map(({ seconds: at, what }, i) => `${LETTERS[i]!} at ${Math.round(at)} s: ${what}`);
  const parts = [text(16, 28, title, { style: 'title' }), text(16, 54, said.join(' · '))];
  const height = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * ROW + TOP + MARGIN;
  for (const panel of panels) {
    const { x, y, w, h } = panel.gridPos;
    const column = (WIDTH - 2 * MARGIN) / COLUMNS;
    const frame = { x: MARGIN + x * column, y: TOP + y * ROW, width: w * column, height: h * ROW };
    parts.push(...(panel.type === 'stat' ? stat(panel, frame, time) : lines(panel, frame, time)));
  }
  return picture(height, `${title}. ${said.join('. ')}`, parts, { width: WIDTH, more: PANEL_STYLE });
}

/** The last value, and how it came to that. */
function stat({ title, unit, series }: OverviewPanel, { x, y, width }: Frame, time: Time): string[] {
  const { values } = series[0]!;
  const last = values.findLast((value) => value !== null) ?? null;
  const [left, right, top, bottom] = [x + 18, x + width - 18, y + 60, y + 84];
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  const at: Scale = (seconds) => left + (seconds / time.seconds) * (right - left);
  const points = values.flatMap((value, i) =>
    value === null ? [] : [[at(i * time.stepSeconds), bottom - (value / most) * (bottom - top)] as const],
  );
  const peak = Math.max(...values.map((value) => value ?? 0));
  return [
    text(x + width / 2, y + 18, title, { align: 'middle', style: 'small' }),
    text(x + width / 2, y + 48, last === null ? '–' : withUnit(last, unit), { align: 'middle', style: 'large' }),
    line(points, 'a'),
    ...(last !== null && peak > last
      ? [text(x + width / 2, y + 100, `at most ${withUnit(peak, unit)}`, { align: 'middle', style: 'small' })]
      : []),
  ];
}

function lines(panel: OverviewPanel, { x, y, width, height }: Frame, time: Time): string[] {
  const [left, right, top, bottom] = [x + PAD_LEFT, x + width - PAD_RIGHT, y + PAD_TOP, y + height - PAD_BOTTOM];
  const parts = [text(x + 4, y + 16, panel.title, { style: 'heading' })];
  const at: Scale = (seconds) => left + (seconds / time.seconds) * (right - left);
  const drawn = panel.isStacked ? stacked(panel.series) : panel.series;
  const up = upwards(parts, panel, drawn, { left, right, top, bottom });
  const step = STEPS.find((candidate) => candidate >= time.seconds / 6) ?? STEPS.at(-1)!;
  for (let seconds = 0; seconds <= time.seconds; seconds += step)
    parts.push(text(at(seconds), bottom + 16, `${seconds} s`, { align: 'middle', style: 'small' }));
  time.marks.forEach((seconds, i) => {
    parts.push(upright(at(seconds), top, bottom), text(at(seconds), top - 4, LETTERS[i]!, { align: 'middle', style: 'small' }));
  });
  drawn.forEach(({ values }, i) => {
    for (const run of runsOf(values)) {
      const points = run.map(([index, value]) => [at(index * time.stepSeconds), up(value)] as const);
      if (panel.isStacked) {
        const below = (index: number): number => (i === 0 ? 0 : (drawn[i - 1]!.values[index] ?? 0));
        const under = run.map(([index]) => [at(index * time.stepSeconds), up(below(index))] as const);
        parts.push(area([...points, ...under.reverse()], COLOURS[i]!));
      }
      parts.push(line(points.length > 1 ? points : [...points, ...points], COLOURS[i]!));
    }
  });
  let next = left;
  panel.series.forEach(({ name }, i) => {
    parts.push(swatch(next, y + height - 16, COLOURS[i]!), text(next + 16, y + height - 11, name, { style: 'small' }));
    next += 16 + name.length * 6.4 + 16;
  });
  return parts;
}

/** Lines across with what they stand for. @returns where a value stands */
function upwards(
  parts: string[],
  panel: OverviewPanel,
  drawn: readonly OverviewSeries[],
  box: Record<'left' | 'right' | 'top' | 'bottom', number>,
): Scale {
  const { left, right, top, bottom } = box;
  const values = drawn.flatMap((series) => series.values.filter((value) => value !== null));
  const positive = values.filter((value) => value > 0);
  const most = Math.max(...positive, panel.unit === 's' ? 0.001 : 1);
  let marks: readonly number[];
  let share: Scale;
  if (panel.isLog) {
    marks = decades(Math.min(...positive, most), most);
    const [low, high] = [Math.log10(marks[0]!), Math.log10(marks.at(-1)!)];
    share = (value) => Math.max(0, (Math.log10(Math.max(value, marks[0]!)) - low) / (high - low));
  } else {
    marks = panel.unit === 'bytes' ? ticks(most / 1024 ** 2).map((mark) => mark * 1024 ** 2) : ticks(most);
    share = (value) => value / marks.at(-1)!;
  }
  const up: Scale = (value) => bottom - share(value) * (bottom - top);
  for (const mark of marks) {
    parts.push(
      line(
        [
          [left, up(mark)],
          [right, up(mark)],
        ],
        'grid',
      ),
      text(left - 6, up(mark) + 4, withUnit(mark, panel.unit), { align: 'end', style: 'small' }),
    );
  }
  return up;
}

function upright(x: number, top: number, bottom: number): string {
  return line(
    [
      [x, top],
      [x, bottom],
    ],
    'limit',
  );
}

/** Each on top of those before. */
function stacked(series: readonly OverviewSeries[]): OverviewSeries[] {
  return series.map(({ name, values }, i) => ({
    name,
    values: values.map((value, index) =>
      value === null ? null : series.slice(0, i).reduce((sum, other) => sum + (other.values[index] ?? 0), value),
    ),
  }));
}

/** Values without a gap between them, each with its place. */
function runsOf(values: readonly (number | null)[]): (readonly [number, number])[][] {
  const runs: (readonly [number, number])[][] = [];
  values.forEach((value, i) => {
    if (value === null) return;
    if (values[i - 1] === null || i === 0) runs.push([]);
    runs.at(-1)!.push([i, value]);
  });
  return runs;
}

/** As Grafana writes it. */
function withUnit(value: number, unit: string): string {
  const short = (number: number): string => Number(number.toPrecision(3)).toLocaleString('en');
  if (unit === 's') return value > 0 && value < 1 ? `${short(value * 1000)} ms` : `${short(value)} s`;
  if (unit === 'bytes') return `${short(value / 1024 ** 2)} MB`;
  return unit === 'ops' ? `${short(value)}/s` : short(value);
}
