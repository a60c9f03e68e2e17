// What the simulation's tests have in common: definitions, named seeds, and a failure that says how to run it again.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { DefinitionsDocument } from '../../src/definitions/definitions_document.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import { describeSeed, optionsOf, type RunFlags } from '../../src/simulation/replay_command.ts';
import { simulate, type SimulationResult } from '../../src/simulation/simulate.ts';

const CONFIG = join(import.meta.dirname, '../../config');

/** By file name in config/; the first is what the command runs on when it is given none. */
export const FILES = ['simulate.definitions.yaml', 'demo.definitions.yaml', 'definitions.example.yaml'] as const;

/** Two of three seeds on the definitions that have everything. */
export function fileOf(seed: number): string {
  return seed % 3 === 0 ? FILES[1 + (seed % 2)]! : FILES[0];
}

/** One worker, or two to four. */
export function workersOf(seed: number): number {
  return (seed >> 1) % 2 === 0 ? 1 : 2 + ((seed >> 2) % 3);
}

const loaded = new Map<string, DefinitionsDocument>();

export function definitions(file: string): DefinitionsDocument {
  const document = loaded.get(file) ?? loadDefinitionsFile(join(CONFIG, file));
  loaded.set(file, document);
  return document;
}

/** Seeds that once failed, a line each: the seed, the file in config/ it failed on, then in words what it found. */
export function namedSeeds(): { seed: number; file: string }[] {
  const lines = readFileSync(join(import.meta.dirname, 'seeds.txt'), 'utf8').split('\n');
  return lines
    .filter((line) => /^\d/.test(line))
    .map((line) => {
      const [seed, file] = line.split(/\s+/);
      return { seed: Number(seed), file: file! };
    });
}

export async function run(seed: number, file: string, flags: RunFlags = {}): Promise<SimulationResult> {
  return simulate(optionsOf(seed, definitions(file), flags));
}

/** Runs it, and fails with the line that the command prints. */
export async function expectFine(seed: number, file: string, flags: RunFlags = {}): Promise<SimulationResult> {
  const result = await run(seed, file, flags);
  if (result.finding !== null)
    expect.fail(describeSeed(result, { ...flags, ...(file === FILES[0] ? {} : { definitionsFile: `config/${file}` }) }));
  return result;
}
