// `simulate`: seeded worlds around the shard, on your own definitions: faults, crashes, lost writes, and the oracle.
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { VisageError } from '../base/errors.ts';
import { loadDefinitionsFile } from '../definitions/load_definitions.ts';
import { isPlantedBug, PLANTED_BUGS, type PlantedBug } from '../simulation/planted_bug.ts';
import { describeSeed, optionsOf, replayCommand, type RunFlags } from '../simulation/replay_command.ts';
import { simulate } from '../simulation/simulate.ts';
import { wholeNumber } from './command.ts';
import { print, printJson } from './output.ts';

export const SIMULATE_DEFINITIONS = join(import.meta.dirname, '../../config/simulate.definitions.yaml');
const MS_PER_MINUTE = 60_000;

type SimulateOptions = {
  readonly seed: number;
  readonly definitions?: string;
  readonly seeds: number;
  readonly minutes?: number;
  readonly events?: number;
  readonly crashAt?: number;
  readonly workers?: number;
  readonly bug?: PlantedBug;
  readonly json?: boolean;
};

export function registerSimulate(program: Command): void {
  program
    .command('simulate')
    .description('run seeded worlds around a shard, with faults and crashes, and compare everything with a recomputation')
    .requiredOption('--seed <number>', 'the first seed: it decides everything', wholeNumber(0))
    .option('--definitions <file>', 'your definitions (file or folder); without it config/simulate.definitions.yaml')
    .option('--seeds <count>', 'so many seeds, one after the other', wholeNumber(1), 1)
    .option('--minutes <count>', 'as many seeds as fit into so many minutes', wholeNumber(1))
    .option('--events <count>', 'so many messages, instead of what the seed says', wholeNumber(1))
    .option('--crash-at <await>', 'one crash only: at this await', wholeNumber(1))
    .option('--workers <count>', 'several workers that share the shards, stand still, and are cut off', wholeNumber(1, 9))
    .option('--bug <name>', `with a bug planted, to see it found: ${Object.keys(PLANTED_BUGS).join(', ')}`, bugName)
    .option('--json', 'print one JSON object a seed')
    .addHelpText('after', '\nExample:\n  $ npx visage simulate --seed 1 --seeds 100 --definitions definitions.yaml')
    .action(runSeeds);
}

async function runSeeds(options: SimulateOptions): Promise<void> {
  const document = loadDefinitionsFile(options.definitions ?? SIMULATE_DEFINITIONS);
  const flags = flagsOf(options);
  const endMs = options.minutes === undefined ? Infinity : performance.now() + options.minutes * MS_PER_MINUTE;
  const count = options.minutes === undefined ? options.seeds : Infinity;
  let failed = 0;
  let seed = options.seed;
  for (; seed < options.seed + count && performance.now() < endMs; seed++) {
    const result = await simulate(optionsOf(seed, document, flags));
    if (result.finding !== null) failed++;
    if (options.json === true)
      await printJson({ ...result, ...(result.finding === null ? {} : { replay: replayCommand(seed, flags) }) });
    else await print(describeSeed(result, flags));
  }
  const ran = seed - options.seed;
  if (failed > 0) throw new VisageError('simulation_failed', `${failed} of ${ran} seeds found something wrong`);
  if (ran > 1 && options.json !== true) await print(`${ran} seeds, 0 differences`);
}

function flagsOf({ definitions, bug, events, crashAt, workers }: SimulateOptions): RunFlags {
  return {
    ...(definitions === undefined ? {} : { definitionsFile: definitions }),
    ...(bug === undefined ? {} : { bug }),
    ...(events === undefined ? {} : { events }),
    ...(crashAt === undefined ? {} : { crashAt }),
    ...(workers === undefined ? {} : { workers }),
  };
}

function bugName(name: string): PlantedBug {
  if (isPlantedBug(name)) return name;
  throw new InvalidArgumentError(`There are: ${Object.keys(PLANTED_BUGS).join(', ')}.`);
}
