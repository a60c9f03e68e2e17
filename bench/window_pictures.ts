// Pictures of what windows cost, and of values that leave them.
import type { Results } from './result_files.ts';
import { dot, line, picture, text, ticks, WIDTH, type Colour } from './svg.ts';

const [LEFT, TOP, BOTTOM, RIGHT] = [76, 60, 300, WIDTH - 150];

type Scale = (value: number) => number;

/** Lines across at round numbers from 0 to past `max`. @returns where a value stands */
function upwards(parts: string[], max: number, label: (mark: number) => string): Scale {
  const marks = ticks(max);
  const y: Scale = (value) => BOTTOM - (value / marks[marks.length - 1]!) * (BOTTOM - TOP);
  for (const mark of marks) {
    parts.push(across(y(mark), 'grid'));
    parts.push(text(LEFT - 8, y(mark) + 4, label(mark), { align: 'end', style: 'small' }));
  }
  return y;
}

function across(y: number, style: 'grid' | 'limit'): string {
  return line(
    [
      [LEFT, y],
      [RIGHT, y],
    ],
    style,
  );
}

/** Time of an event by values in its window: flat, when the size of a window does not matter. */
export function windowsPicture({ arms, size }: Pick<Results['windows'], 'arms' | 'size'>): string {
  const { windows } = size;
  const micros = (rate: number): number => 1e6 / rate;
  const series = (
    [
      ['the whole fold', 'fold', 'b'],
      ['windows alone', 'part', 'a'],
    ] as const satisfies readonly (readonly [string, string, Colour])[]
  ).map(([name, arm, colour]) => ({ name, colour, rates: windows.map((values) => arms[`${arm} ${values}`]!.eventsPerSecond) }));
  const title = 'Time of an event against values in its window (sum, count, min, max)';
  const parts = [text(16, 28, title, { style: 'title' })];
  const max = Math.max(...series.flatMap(({ rates }) => rates.map((rate) => micros(rate.min))));
  const y = upwards(parts, max, (mark) => `${Number(mark.toFixed(2))} µs`);
  const [low, high] = [Math.log10(windows[0]!), Math.log10(windows[windows.length - 1]!)];
  const x: Scale = (values) => LEFT + 30 + ((Math.log10(values) - low) / (high - low)) * (RIGHT - LEFT - 60);
  for (const { name, colour, rates } of series) {
    parts.push(
      line(
        rates.map(({ median }, i) => [x(windows[i]!), y(micros(median))]),
        colour,
      ),
    );
    rates.forEach(({ median, min, max: most }, i) => {
      const at = x(windows[i]!);
      parts.push(
        line(
          [
            [at, y(micros(min))],
            [at, y(micros(most))],
          ],
          'whisker',
        ),
      );
      parts.push(dot(at, y(micros(median)), colour));
    });
    parts.push(text(x(windows[windows.length - 1]!) + 14, y(micros(rates[rates.length - 1]!.median)) + 4, name));
  }
  for (const values of windows)
    parts.push(text(x(values), BOTTOM + 20, values.toLocaleString('en'), { align: 'middle', style: 'small' }));
  return picture(BOTTOM + 36, title, parts);
}

/** Percentiles of lateness in every round, against the tick and twice the tick. */
export function expiryPicture({ arms, size }: Pick<Results['expiry'], 'arms' | 'size'>): string {
  const series = [
    ['quiet, p99', 'a', arms.quiet.rounds.map(({ p99Ms }) => p99Ms)],
    ['busy, p99', 'b', arms.busy.rounds.map(({ p99Ms }) => p99Ms)],
    ['quiet, p50', 'c', arms.quiet.rounds.map(({ p50Ms }) => p50Ms)],
    ['busy, p50', 'd', arms.busy.rounds.map(({ p50Ms }) => p50Ms)],
  ] as const satisfies readonly (readonly [string, Colour, readonly number[]])[];
  const { tickMs } = size;
  const title = `How late values leave their windows, read from the change stream (tick ${tickMs} ms)`;
  const parts = [text(16, 28, title, { style: 'title' })];
  const y = upwards(parts, Math.max(2 * tickMs, ...series.flatMap(([, , values]) => values)), (mark) => `${mark} ms`);
  for (const [limit, name] of [
    [tickMs, 'the tick'],
    [2 * tickMs, 'twice the tick'],
  ] as const) {
    parts.push(across(y(limit), 'limit'));
    parts.push(text(RIGHT - 4, y(limit) - 5, name, { align: 'end', style: 'small' }));
  }
  const { length } = arms.quiet.rounds;
  const x: Scale = (round) => LEFT + ((round + 0.5) / length) * (RIGHT - LEFT);
  const names: { readonly name: string; at: number }[] = [];
  for (const [name, colour, values] of series) {
    parts.push(
      line(
        values.map((ms, round) => [x(round), y(ms)]),
        colour,
      ),
    );
    values.forEach((ms, round) => parts.push(dot(x(round), y(ms), colour)));
    names.push({ name, at: y(values[length - 1]!) });
  }
  let lowest = -Infinity;
  for (const { name, at } of names.sort((a, b) => a.at - b.at)) {
    lowest = Math.max(at, lowest + 16); // names of lines that meet stand below each other
    parts.push(text(x(length - 1) + 14, lowest + 4, name));
  }
  for (let round = 0; round < length; round++)
    parts.push(text(x(round), BOTTOM + 20, `round ${round + 1}`, { align: 'middle', style: 'small' }));
  return picture(BOTTOM + 36, title, parts);
}

/** How many of the values that were due in one millisecond have left, by time. */
export function herdPicture({ arms, size }: Pick<Results['herd'], 'arms' | 'size'>): string {
  const title = `${size.profiles.toLocaleString('en')} values due in the same millisecond: how many have left`;
  const parts = [text(16, 28, title, { style: 'title' })];
  const y = upwards(parts, size.profiles, (mark) => `${Math.round(mark / 1000)}k`);
  const marks = ticks(arms.tookMs / 1000);
  const right = WIDTH - 40;
  const x: Scale = (seconds) => LEFT + (seconds / marks[marks.length - 1]!) * (right - LEFT);
  for (const mark of marks)
    parts.push(text(x(mark), BOTTOM + 20, `${Number(mark.toFixed(1))} s`, { align: 'middle', style: 'small' }));
  parts.push(
    line(
      arms.left.map(({ afterMs, values }) => [x(Math.min(afterMs, arms.tookMs) / 1000), y(values)]),
      'b',
    ),
  );
  const ms = (value: number): string => `${Math.round(value)} ms`;
  const said = `longest block of the event loop ${ms(arms.blocks.longestMs)}; reads p99 ${ms(arms.during.p99Ms)}, ${ms(arms.before.p99Ms)} before`;
  parts.push(text((LEFT + right) / 2, BOTTOM + 42, said, { align: 'middle', style: 'small' }));
  return picture(BOTTOM + 58, `${title}; ${said}`, parts);
}
