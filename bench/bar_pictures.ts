// Pictures that set figures beside each other: every goal beside its bar, pairs of arms, latency while something is stored.
import type { Goal } from './figures.ts';
import { figuresOf, limitOf, verdictOf, type Figure } from './goals.ts';
import type { Results, SomeResults } from './result_files.ts';
import { bar, dot, line, picture, text, WIDTH, type Colour } from './svg.ts';

const ROW = 22;
const TOP = 74;

/** One row a figure: how many times better than its bar, on a logarithmic scale. Right of the line is met. */
export function goalsPicture(results: SomeResults): string {
  const figures = figuresOf(results).filter(({ goal, bar, measured }) => goal !== null && bar !== null && measured !== undefined);
  const [left, right] = [150, WIDTH - 30];
  const bottom = TOP + figures.length * ROW;
  const title = 'Every goal beside its bar: how many times better, right of the line is met';
  // what is past either end stands at the end
  const x = (times: number): number => left + ((Math.log10(Math.min(10, Math.max(0.1, times))) + 1) / 2) * (right - left);
  const parts = [text(16, 28, title, { style: 'title' })];
  parts.push(
    text(16, 48, 'dot: the median · whisker: from the worst round to the best · tick below: the aim', { style: 'small' }),
  );
  for (const times of [0.1, 0.2, 0.5, 1, 2, 5, 10]) {
    parts.push(upright(x(times), TOP - 8, bottom, times === 1 ? 'limit' : 'grid'));
    parts.push(text(x(times), bottom + 18, `${times} ×`, { align: 'middle', style: 'small' }));
  }
  figures.forEach((figure, i) => {
    const { key, measured, aim } = figure as Figure & { readonly measured: Goal };
    const y = TOP + i * ROW + 6;
    const times = (value: number): number => timesBetter(figure, value);
    parts.push(text(left - 12, y + 4, key.replace(/^(G\d+)([a-z])/, '$1 $2'), { align: 'end' }));
    parts.push(whisker(x(times(measured.min)), x(times(measured.max)), y));
    if (aim !== null && limitOf(aim) > 0) parts.push(upright(x(times(limitOf(aim))), y + 3, y + 9, 'whisker'));
    parts.push(dot(x(times(measured.median)), y, verdictOf(figure) === 'missed' ? 'd' : 'b'));
  });
  const missed = figures.filter((figure) => verdictOf(figure) === 'missed').map(({ key }) => key);
  return picture(bottom + 34, `${title}. Missed: ${missed.join(', ')}`, parts);
}

function timesBetter({ bar, better }: Figure, value: number): number {
  const wanted = limitOf(bar!);
  if (value <= 0) return better === 'less' ? Infinity : 0;
  return better === 'less' ? wanted / value : value / wanted;
}

type Row = { readonly name: string; readonly value: Pick<Goal, 'median' | 'min' | 'max'>; readonly colour: Colour };
type Group = { readonly name: string; readonly rows: readonly Row[] };

/** The pairs of arms whose ratio is a goal; each pair has a scale of its own. */
export function pairsPicture({ throughput, restart, workers, http }: SomeResults): string {
  const groups: Group[] = [];
  if (throughput !== undefined) {
    const { arms, size } = throughput;
    const rows = pair(
      [`${number(size.few)} profiles`, arms['few']!.eventsPerSecond],
      [`${number(size.many)} profiles`, arms['many']!.eventsPerSecond],
    );
    groups.push({ name: 'G2: events per second, uniform', rows });
  }
  if (restart !== undefined) {
    const { arms, size } = restart;
    const rows = pair([`${number(size.few)} profiles`, arms.few.ms], [`${number(size.many)} profiles`, arms.many.ms]);
    groups.push({ name: 'G11: from start to first event, ms', rows });
  }
  if (workers !== undefined) {
    const { one, two } = workers.arms;
    groups.push({
      name: 'G19: events per second of CPU',
      rows: pair(['one worker', one.eventsPerSecond], ['two workers', two.eventsPerSecond]),
    });
  }
  if (http !== undefined) {
    const { echo, worker } = http.arms;
    const rows = pair(['bare node:http', echo.requestsPerSecond], ['profiles of a worker', worker.requestsPerSecond]);
    groups.push({ name: 'G20: requests per second', rows });
  }
  return barsPicture('Pairs whose ratio is a goal; each has a scale of its own', groups);
}

/** p99 while nothing is stored, checkpoints are written, snapshots are taken. */
export function storingPicture({ arms, size }: Pick<Results['snapshot'], 'arms' | 'size'>): string {
  const rows: Row[] = [
    { name: 'nothing is stored', value: arms.neither.p99Ms, colour: 'a' },
    { name: 'checkpoints', value: arms.checkpoints.p99Ms, colour: 'b' },
    { name: 'snapshots, without a pause', value: arms.snapshots.p99Ms, colour: 'b' },
  ];
  const name = `p99 in ms, ${number(size.rate)} events/s, ${number(size.profiles)} profiles`;
  return barsPicture('G13: latency while the worker stores', [{ name, rows }]);
}

function pair(below: readonly [string, Row['value']], above: readonly [string, Row['value']]): Row[] {
  return [
    { name: below[0], value: below[1], colour: 'a' },
    { name: above[0], value: above[1], colour: 'b' },
  ];
}

function barsPicture(title: string, groups: readonly Group[]): string {
  const [left, right, row] = [210, WIDTH - 110, 30];
  const parts = [text(16, 28, title, { style: 'title' })];
  let y = 52;
  for (const { name, rows } of groups) {
    const most = Math.max(...rows.map(({ value }) => value.max));
    const x = (value: number): number => left + (value / most) * (right - left);
    parts.push(text(16, y + 8, name, { style: 'small' }));
    y += 18;
    for (const { name: arm, value, colour } of rows) {
      parts.push(text(left - 10, y + 16, arm, { align: 'end' }));
      parts.push(bar(left, y, x(value.median) - left, 22, colour));
      parts.push(whisker(x(value.min), x(value.max), y + 11));
      parts.push(text(x(value.max) + 8, y + 16, value.median < 100 ? value.median.toFixed(1) : number(value.median)));
      y += row;
    }
    y += 14;
  }
  return picture(y + 2, `${title}: ${groups.flatMap(({ rows }) => rows.map(({ name }) => name)).join(', ')}`, parts);
}

function whisker(from: number, to: number, y: number): string {
  return line(
    [
      [from, y - 5],
      [from, y + 5],
      [from, y],
      [to, y],
      [to, y - 5],
      [to, y + 5],
    ],
    'whisker',
  );
}

function upright(x: number, from: number, to: number, style: 'grid' | 'limit' | 'whisker'): string {
  return line(
    [
      [x, from],
      [x, to],
    ],
    style,
  );
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en');
}
