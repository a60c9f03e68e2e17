// G4, G5, G6, G7: what an event costs when a window is full and every event that comes in pushes one out. See bench/README.md.
import { printGoals, rates, summaryOf } from './arm_report.ts';
import { ratio, type Goal } from './figures.ts';
import { runChild, writeResult, type ArmResult } from './world.ts';

const CHILD = new URL('./windows_child.ts', import.meta.url);
const SEED = 20_260_401;
const LATE_SHARE = 0.1;

export type WindowArm = {
  readonly name: string;
  readonly kind: 'fold' | 'part' | 'naive' | 'naiveFloat';
  /** How many values the longest window holds. */
  readonly values: number;
  /** Sums over this many windows; left out: sum, count, min and max over one. */
  readonly sums?: number;
  readonly lateShare: number;
  /** Applied before, the same for all arms of a goal: so that all remember as many ids. */
  readonly warm: number;
  readonly events: number;
  readonly seed: number;
};

type Size = {
  readonly rounds: number;
  /** Values in the window: from the first to the last is G4. */
  readonly windows: readonly number[];
  /** For G5 and G6; and for G7. */
  readonly usual: number;
  readonly naive: number;
  readonly warm: number;
  readonly events: number;
  readonly naiveEvents: number;
};
const FULL: Size = {
  rounds: 5,
  windows: [100, 1_000, 10_000, 100_000],
  usual: 5_000,
  naive: 1_000,
  warm: 120_000,
  events: 200_000,
  naiveEvents: 50_000,
};
const SMOKE: Size = {
  rounds: 1,
  windows: [50, 500],
  usual: 200,
  naive: 100,
  warm: 1_500,
  events: 1_000,
  naiveEvents: 1_000,
};

export async function runWindows(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const arms = armsOf(size);
  const results: Record<string, ArmResult[]> = Object.fromEntries(arms.map(({ name }) => [name, []]));
  for (let round = 0; round < size.rounds; round++) {
    // smoke: one process for all of them
    for (const together of smoke ? [arms] : arms.map((arm) => [arm])) {
      const found = await runChild<ArmResult>(CHILD, [JSON.stringify(together)]);
      together.forEach(({ name }, i) => {
        results[name]!.push(found[i]!);
        print(`round ${round + 1} ${name}`, found[i]!);
      });
    }
  }
  console.log(`  checked against the oracle: ${arms.length} windows in every round, twice each`);
  const goals = goalsOf(size, results);
  printGoals(goals);
  const resultHash = arms.map(({ name }) => sameHash(name, results[name]!)).join('-');
  if (!smoke) writeResult('windows', { size, resultHash, arms: summaryOf(results), goals }, null, SEED);
}

export const foldArm = (values: number): string => `fold ${values}`;
export const partArm = (values: number): string => `part ${values}`;

function armsOf({ windows, usual, naive, warm, events, naiveEvents }: Size): WindowArm[] {
  const common = { lateShare: 0, warm, events, seed: SEED };
  const arms: WindowArm[] = [];
  for (const values of windows) arms.push({ ...common, name: foldArm(values), kind: 'fold', values });
  for (const values of [...new Set([...windows, naive])]) arms.push({ ...common, name: partArm(values), kind: 'part', values });
  for (const sums of [1, 10]) arms.push({ ...common, name: `sums ${sums}`, kind: 'fold', values: usual, sums });
  arms.push({ ...common, name: 'in order', kind: 'fold', values: usual });
  arms.push({ ...common, name: 'late', kind: 'fold', values: usual, lateShare: LATE_SHARE });
  for (const kind of ['naive', 'naiveFloat'] as const)
    arms.push({ ...common, name: kind, kind, values: naive, warm: naive, events: naiveEvents });
  return arms;
}

function goalsOf({ windows, naive }: Size, results: Readonly<Record<string, readonly ArmResult[]>>): Record<string, Goal> {
  const cost = (name: string): number[] => results[name]!.map(({ seconds, events }) => seconds / events);
  const [least, most] = [windows[0]!, windows[windows.length - 1]!];
  return {
    G4: ratio(cost(foldArm(most)), cost(foldArm(least))),
    G4part: ratio(cost(partArm(most)), cost(partArm(least))),
    G5: ratio(cost('sums 10'), cost('sums 1')),
    G6: ratio(rates(results['late']!), rates(results['in order']!)),
    G7: ratio(cost('naive'), cost(partArm(naive))),
    G7float: ratio(cost('naiveFloat'), cost(partArm(naive))),
  };
}

function print(name: string, { events, seconds, cpuSeconds }: ArmResult): void {
  const ns = (of: number): string => Math.round((of / events) * 1e9).toLocaleString('en');
  console.log(`${name}: ${ns(seconds)} ns/event, ${ns(cpuSeconds)} ns CPU/event`);
}

/** The same seed gives the same values in every round. */
function sameHash(name: string, results: readonly ArmResult[]): string {
  const hashes = new Set(results.map((result) => result['hash']!));
  if (hashes.size !== 1) throw new Error(`${name}: the rounds do not end with the same values`);
  return [...hashes][0]!.toString(16).padStart(8, '0');
}
