// What the benches say of their arms and goals: on the terminal while they run, and in the result file.
import { spread, type Goal } from './figures.ts';
import type { ArmResult } from './world.ts';

export type ArmResults = Readonly<Record<string, readonly ArmResult[]>>;

export function rates(results: readonly ArmResult[]): number[] {
  return results.map((result) => result.events / result.seconds);
}

export function printArm(name: string, result: ArmResult): void {
  const figures = [
    `${Math.round(result.events / result.seconds).toLocaleString('en')} events/s`,
    `${((result.cpuSeconds / result.events) * 1e6).toFixed(1)} µs CPU/event`,
    `${Math.round(result.rssBytes / 1e6)} MB`,
  ];
  console.log(`${name}: ${figures.join(', ')}`);
}

export function printGoals(goals: Readonly<Record<string, Goal>>): void {
  for (const [name, { median, min, max, rounds }] of Object.entries(goals))
    console.log(`${name}: median ${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)}, ${rounds} rounds)`);
}

export function summaryOf(results: ArmResults): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(results).map(([arm, rounds]) => {
      const { median, min, max } = spread(rates(rounds));
      return [arm, { eventsPerSecond: { median, min, max }, rounds }];
    }),
  );
}
