// Thousands of simulated worlds, on every core.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { SimulationResult } from '../../src/simulation/simulate.ts';

export type SimulationSoak = {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly messages: number;
  readonly events: number;
  readonly duplicates: number;
  readonly records: number;
  readonly stale: number;
  readonly dead: number;
  readonly refused: number;
  readonly lives: number;
  readonly crashes: number;
  readonly awaits: number;
  readonly commits: number;
  readonly changeEvents: number;
  readonly checkpoints: number;
  readonly comparisons: number;
  /** Of the worlds with several workers: what happened how often. */
  readonly faults: Readonly<Record<string, number>>;
  readonly virtualHours: number;
  readonly seconds: number;
  /** Seeds that found something wrong. */
  readonly differences: number;
  readonly firstDifferences: readonly {
    readonly seed: number;
    readonly what: string;
    readonly sequence: number;
    readonly replay: string;
  }[];
};

type Line = SimulationResult & { readonly replay: string };

const DIFFERENCES_MAX = 20;
const MS_PER_HOUR = 3_600_000;

/** @throws Error when a process ends without having run its seeds */
export async function simulationSoak(firstSeed: number, seeds: number): Promise<SimulationSoak> {
  const startedMs = performance.now();
  const cores = availableParallelism();
  const lines = (await Promise.all(Array.from({ length: cores }, (_, n) => child(firstSeed + n, seeds - n, cores)))).flat();
  lines.sort((a, b) => a.seed - b.seed);
  if (lines.length !== seeds) throw new Error(`${lines.length} of ${seeds} seeds were run`);
  const sum = (count: (line: Line) => number): number => lines.reduce((total, line) => total + count(line), 0);
  const wrong = lines.flatMap(({ seed, finding, replay }) => (finding === null ? [] : [{ seed, ...finding, replay }]));
  return {
    firstSeed,
    seeds,
    messages: sum(({ messages }) => messages),
    events: sum(({ events }) => events),
    duplicates: sum(({ duplicates }) => duplicates),
    records: sum(({ records }) => records),
    stale: sum(({ stale }) => stale),
    dead: sum(({ dead }) => dead),
    refused: sum(({ refused }) => refused),
    lives: sum(({ lives }) => lives),
    crashes: sum(({ crashes }) => crashes),
    awaits: sum(({ awaits }) => awaits),
    commits: sum(({ commits }) => commits),
    changeEvents: sum(({ changeEvents }) => changeEvents),
    checkpoints: sum(({ checkpoints }) => checkpoints),
    comparisons: sum(({ comparisons }) => comparisons),
    faults: faultsOf(lines),
    virtualHours: Math.round(sum(({ virtualMs }) => virtualMs) / MS_PER_HOUR),
    seconds: Math.round((performance.now() - startedMs) / 1000),
    differences: wrong.length,
    firstDifferences: wrong.slice(0, DIFFERENCES_MAX),
  };
}

function faultsOf(lines: readonly Line[]): Record<string, number> {
  const sum: Record<string, number> = { worlds: lines.filter(({ faults }) => Object.keys(faults).length > 0).length };
  for (const { faults } of lines) for (const [name, count] of Object.entries(faults)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

async function child(first: number, seeds: number, stride: number): Promise<Line[]> {
  const args = [join(import.meta.dirname, 'seeds_child.ts'), ...[first, seeds, stride].map(String)];
  const running = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: Line[] = [];
  for await (const line of createInterface({ input: running.stdout })) lines.push(JSON.parse(line) as Line);
  return lines;
}
