// `npm run bench -- plot`: the committed results as pictures in docs/pictures. A picture whose result does not exist is not made.
import { mkdirSync, writeFileSync } from 'node:fs';
import { goalsPicture, pairsPicture, storingPicture } from './bar_pictures.ts';
import { readResults, type Results } from './result_files.ts';
import { bar, decades, dot, line, picture, text, ticks, WIDTH, type Colour } from './svg.ts';
import { expiryPicture, herdPicture, windowsPicture } from './window_pictures.ts';
import { overviewPicture } from './overview_picture.ts';
import { readOverview } from './overview_result.ts';

export const PICTURES = new URL('../docs/pictures/', import.meta.url);

const ARMS: Readonly<Record<string, string>> = {
  drain: 'drain: reads',
  parse: 'parse: and parses',
  echo: 'echo: and publishes again',
  memory: 'memory: the fold alone',
  worker: 'the worker, all of it',
};
const MB = 1024 ** 2;

/** File name → SVG, for every result that there is. */
export function pictures(): ReadonlyMap<string, string> {
  const all = new Map<string, string>();
  const results = readResults();
  const { throughput, latency, memory, windows, expiry, herd, snapshot } = results;
  all.set('goals.svg', goalsPicture(results));
  if (throughput !== undefined) all.set('throughput.svg', throughputPicture(throughput));
  all.set('pairs.svg', pairsPicture(results));
  if (latency !== undefined) all.set('latency.svg', latencyPicture(latency));
  if (snapshot !== undefined) all.set('storing.svg', storingPicture(snapshot));
  if (memory !== undefined) all.set('memory.svg', memoryPicture(memory));
  if (windows !== undefined) all.set('windows.svg', windowsPicture(windows));
  if (expiry !== undefined) all.set('expiry.svg', expiryPicture(expiry));
  if (herd !== undefined) all.set('herd.svg', herdPicture(herd));
  return all;
}

/** And what is shown beside the goals. */
export function allPictures(): ReadonlyMap<string, string> {
  const overview = readOverview();
  return new Map([...pictures(), ...(overview === undefined ? [] : [['overview.svg', overviewPicture(overview)] as const])]);
}

export function runPlot(smoke: boolean): Promise<void> {
  const all = allPictures();
  if (!smoke) mkdirSync(PICTURES, { recursive: true });
  for (const [name, svg] of all) {
    if (smoke) continue;
    writeFileSync(new URL(name, PICTURES), svg);
    console.log(`written: docs/pictures/${name}`);
  }
  if (smoke) console.log(`plot: ${all.size} pictures`);
  return Promise.resolve();
}

/** Bars of the medians, with whiskers from the slowest round to the fastest. */
export function throughputPicture({ arms, cpu }: Pick<Results['throughput'], 'arms' | 'cpu'>): string {
  const names = Object.keys(ARMS).filter((name) => arms[name] !== undefined);
  const marks = ticks(Math.max(...names.map((name) => arms[name]!.eventsPerSecond.max)));
  const [left, top, row] = [190, 56, 36];
  const x = (rate: number): number => left + (rate / marks[marks.length - 1]!) * (WIDTH - left - 90);
  const bottom = top + names.length * row;
  const parts = [text(16, 28, `Events per second, worker and server on ${cpu}`, { style: 'title' })];
  for (const mark of marks) {
    parts.push(
      line(
        [
          [x(mark), top - 8],
          [x(mark), bottom],
        ],
        'grid',
      ),
    );
    parts.push(text(x(mark), bottom + 18, `${mark / 1000}k`, { align: 'middle', style: 'small' }));
  }
  names.forEach((name, i) => {
    const { median, min, max } = arms[name]!.eventsPerSecond;
    const y = top + i * row;
    parts.push(text(left - 10, y + 16, ARMS[name]!, { align: 'end' }));
    parts.push(bar(left, y, x(median) - left, 22, name === 'worker' ? 'b' : 'a'));
    parts.push(
      line(
        [
          [x(min), y + 6],
          [x(min), y + 16],
          [x(min), y + 11],
          [x(max), y + 11],
          [x(max), y + 6],
          [x(max), y + 16],
        ],
        'whisker',
      ),
    );
    parts.push(text(x(max) + 8, y + 16, Math.round(median).toLocaleString('en')));
  });
  return picture(
    bottom + 34,
    `Throughput: ${names.map((name) => `${name} ${Math.round(arms[name]!.eventsPerSecond.median)}`).join(', ')} events per second`,
    parts,
  );
}

/** Percentiles of every round on a logarithmic scale. */
export function latencyPicture({ arms }: Pick<Results['latency'], 'arms'>): string {
  const { rounds } = arms.latency;
  const series = [
    ['max', 'd', rounds.map(({ maxMs }) => maxMs)],
    ['p99.9', 'c', rounds.map(({ p999Ms }) => p999Ms)],
    ['p99', 'b', rounds.map(({ p99Ms }) => p99Ms)],
    ['p50', 'a', rounds.map(({ p50Ms }) => p50Ms)],
  ] as const satisfies readonly (readonly [string, Colour, readonly number[]])[];
  const all = series.flatMap(([, , values]) => values);
  const marks = decades(Math.min(...all), Math.max(...all));
  const [left, top, bottom, right] = [70, 60, 300, WIDTH - 80];
  const [low, high] = [Math.log10(marks[0]!), Math.log10(marks[marks.length - 1]!)];
  const y = (ms: number): number => bottom - ((Math.log10(ms) - low) / (high - low)) * (bottom - top);
  const x = (round: number): number => left + ((round + 0.5) / rounds.length) * (right - left);
  const rate = Math.round(rounds[0]!.rate).toLocaleString('en');
  const parts = [
    text(16, 28, `From due to publish to change read, at ${rate} events/s (half of the sustainable load)`, { style: 'title' }),
  ];
  for (const mark of marks) {
    parts.push(
      line(
        [
          [left, y(mark)],
          [right, y(mark)],
        ],
        'grid',
      ),
    );
    parts.push(text(left - 8, y(mark) + 4, `${Number(mark.toPrecision(1))} ms`, { align: 'end', style: 'small' }));
  }
  for (const [name, colour, values] of series) {
    parts.push(
      line(
        values.map((ms, round) => [x(round), y(ms)]),
        colour,
      ),
    );
    values.forEach((ms, round) => parts.push(dot(x(round), y(ms), colour)));
    parts.push(text(right - 20, y(values[values.length - 1]!) + 4, name));
  }
  rounds.forEach((_, round) =>
    parts.push(text(x(round), bottom + 20, `round ${round + 1}`, { align: 'middle', style: 'small' })),
  );
  return picture(bottom + 36, `Latency percentiles of ${rounds.length} rounds at ${rate} events per second`, parts);
}

/** Memory over the soak, and where the cache's budget and the process at rest add up. */
export function memoryPicture({ arms, size }: Pick<Results['memory'], 'arms' | 'size'>): string {
  const { soak, base, budget } = arms;
  const series = [
    ['resident', 'a', soak.map(({ rss }) => rss), base.rss],
    ['anonymous', 'b', soak.map(({ anonymous }) => anonymous), base.anonymous],
  ] as const satisfies readonly (readonly [string, Colour, readonly number[], number])[];
  const most = Math.max(...series.flatMap(([, , values, at]) => [...values, at + budget]));
  const marks = ticks(most / MB);
  const [left, top, bottom, right] = [76, 60, 320, WIDTH - 100];
  const seconds = soak[soak.length - 1]!.second;
  const x = (second: number): number => left + (second / seconds) * (right - left);
  const y = (bytes: number): number => bottom - (bytes / MB / marks[marks.length - 1]!) * (bottom - top);
  const title = `Memory of a worker: cache of ${Math.round(budget / MB)} MB, ${size.profiles.toLocaleString('en')} profiles`;
  const parts = [text(16, 28, title, { style: 'title' })];
  for (const mark of marks) {
    parts.push(
      line(
        [
          [left, y(mark * MB)],
          [right, y(mark * MB)],
        ],
        'grid',
      ),
    );
    parts.push(text(left - 8, y(mark * MB) + 4, `${mark} MB`, { align: 'end', style: 'small' }));
  }
  for (const [name, colour, values, at] of series) {
    parts.push(
      line(
        [
          [left, y(at + budget)],
          [right, y(at + budget)],
        ],
        'limit',
      ),
    );
    parts.push(
      line(
        values.map((bytes, i) => [x(soak[i]!.second), y(bytes)]),
        colour,
      ),
    );
    parts.push(text(right + 8, y(values[values.length - 1]!) + 4, name));
  }
  parts.push(
    text(left, bottom + 20, '0 s', { style: 'small' }),
    text(right, bottom + 20, `${Math.round(seconds)} s`, { align: 'end', style: 'small' }),
  );
  parts.push(
    text((left + right) / 2, bottom + 20, 'dashed: cache budget + the process at rest', { align: 'middle', style: 'small' }),
  );
  return picture(bottom + 36, title, parts);
}
