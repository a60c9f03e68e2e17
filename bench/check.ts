// `npm run bench -- check <folder>`: is what was measured anew worse than what is committed?
// CK1: worse is a new median that is worse by more than the figure's margin and outside of what was measured before; or best, median and worst
//      round that are each worse by more than the margin, as when one odd round had made the old spread wide.
// CK2: only like is compared: a bench of another size is refused, an absolute figure of another machine is left out. What is not in the
//      folder was not measured anew; a figure that its file no longer has counts as worse.
import type { Goal } from './figures.ts';
import { figuresOf, type Figure } from './goals.ts';
import { readResults, type SomeResults } from './result_files.ts';

export type Outcome = 'worse' | 'gone' | 'as before' | 'better' | 'other machine' | 'not measured anew' | 'new';
export type Compared = { readonly figure: Figure; readonly now: Goal | undefined; readonly outcome: Outcome };

/** @throws Error when a bench was run with another size than before */
export function compareResults(before: SomeResults, now: SomeResults): Compared[] {
  for (const bench of Object.keys(now) as (keyof SomeResults)[]) {
    const [old, fresh] = [sizeOf(before[bench]), sizeOf(now[bench])];
    if (before[bench] !== undefined && old !== fresh)
      throw new Error(`${bench} was run with another size: ${fresh}, before ${old}`);
  }
  const fresh = new Map(figuresOf(now).map((figure) => [nameOf(figure), figure]));
  return figuresOf(before).map((figure) => {
    const found = fresh.get(nameOf(figure));
    return { figure, now: found?.measured, outcome: outcomeOf(figure, found, now[figure.bench] !== undefined) };
  });
}

function outcomeOf(before: Figure, now: Figure | undefined, isMeasured: boolean): Outcome {
  if (!isMeasured) return 'not measured anew';
  if (before.measured === undefined) return 'new';
  if (now?.measured === undefined) return 'gone';
  if (before.isAbsolute && before.cpu !== now.cpu) return 'other machine';
  if (isWorse(before, before.measured, now.measured)) return 'worse';
  return isWorse(before, now.measured, before.measured) ? 'better' : 'as before';
}

function isWorse(figure: Figure, before: Goal, now: Goal): boolean {
  // as if less were always better
  const [old, fresh] = [before, now].map(({ median, min, max }) =>
    figure.better === 'less' ? { best: min, median, worst: max } : { best: -max, median: -median, worst: -min },
  ) as [Ends, Ends];
  const beyond = (end: keyof Ends): boolean =>
    fresh[end] - old[end] > Math.max((Math.abs(old[end]) * figure.percent) / 100, figure.atLeast);
  return beyond('median') && (fresh.median > old.worst || (beyond('best') && beyond('worst')));
}
type Ends = { readonly best: number; readonly median: number; readonly worst: number };

function nameOf({ bench, key }: Figure): string {
  return `${bench} ${key}`;
}

/** More rounds do not make another size. */
function sizeOf(result: SomeResults[keyof SomeResults]): string {
  const { rounds: _, ...size } = ((result ?? {}) as { size?: { rounds?: number } }).size ?? {};
  return JSON.stringify(size);
}

/** @returns the code to end with: 1 something got worse, 2 there is nothing to compare */
export function runCheck(folder: string | undefined, print: (line: string) => void): number {
  const now = folder === undefined ? {} : readResults(folder);
  if (Object.keys(now).length === 0) {
    print(`check: ${folder === undefined ? 'name the folder with the new results' : `${folder} has no results`}`);
    return 2;
  }
  let compared: Compared[];
  try {
    compared = compareResults(readResults(), now).filter(({ outcome }) => outcome !== 'not measured anew');
  } catch (error) {
    print(`check: ${(error as Error).message}`);
    return 2;
  }
  for (const line of tableOf(compared)) print(line);
  const worse = compared.filter(({ outcome }) => outcome === 'worse' || outcome === 'gone');
  const names = worse.map(({ figure }) => nameOf(figure)).join(', ');
  print(
    worse.length === 0
      ? `${compared.length} figures: none is worse`
      : `${worse.length} of ${compared.length} are worse: ${names}`,
  );
  return worse.length === 0 ? 0 : 1;
}

function tableOf(compared: readonly Compared[]): string[] {
  const rows = compared.map(({ figure, now, outcome }) => [
    figure.bench,
    figure.key,
    shown(figure.measured),
    shown(now),
    `${figure.percent} %`,
    outcome === 'worse' || outcome === 'gone' ? outcome.toUpperCase() : outcome,
  ]);
  const all = [['bench', 'figure', 'before', 'now', 'margin', ''], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

function shown(goal: Goal | undefined): string {
  if (goal === undefined) return '-';
  return `${goal.median.toFixed(2)} (${goal.min.toFixed(2)}–${goal.max.toFixed(2)})`;
}
