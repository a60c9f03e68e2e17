// What is said about one seed, and the one command that runs it again.
import type { PlantedBug } from './planted_bug.ts';
import type { SimulationOptions, SimulationResult } from './simulate.ts';

/** The flags that a run was started with, beside its seed. `definitionsFile` as it was given; undefined: the built-in ones. */
export type RunFlags = {
  readonly definitionsFile?: string;
  readonly bug?: PlantedBug;
  readonly events?: number;
  readonly crashAt?: number;
  readonly workers?: number;
};

/** `visage simulate --seed 17 --bug lost-tick` */
export function replayCommand(seed: number, flags: RunFlags): string {
  const { definitionsFile, bug, events, crashAt, workers } = flags;
  return [
    `visage simulate --seed ${seed}`,
    ...(definitionsFile === undefined ? [] : [`--definitions ${quoted(definitionsFile)}`]),
    ...(events === undefined ? [] : [`--events ${events}`]),
    ...(crashAt === undefined ? [] : [`--crash-at ${crashAt}`]),
    ...(workers === undefined ? [] : [`--workers ${workers}`]),
    ...(bug === undefined ? [] : [`--bug ${bug}`]),
  ].join(' ');
}

/** One line, or two when something was wrong. */
export function describeSeed(result: SimulationResult, flags: RunFlags): string {
  const { seed, messages, crashes, awaits, comparisons, finding } = result;
  const counts = `${number(messages)} messages, ${number(crashes)} crashes, ${number(awaits)} awaits, ${number(comparisons)} comparisons`;
  if (finding === null) return `seed ${seed}: ${counts}, 0 differences`;
  return `seed ${seed}: ${counts}; at sequence ${finding.sequence}: ${finding.what}\n  ${replayCommand(seed, flags)}`;
}

/** The options of the engine that these flags name. */
export function optionsOf(seed: number, document: SimulationOptions['document'], flags: RunFlags): SimulationOptions {
  const { bug, events, crashAt, workers } = flags;
  return {
    seed,
    document,
    ...(bug === undefined ? {} : { bug }),
    ...(events === undefined ? {} : { events }),
    ...(crashAt === undefined ? {} : { crashAt }),
    ...(workers === undefined ? {} : { workers }),
  };
}

function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** 9113 → `9,113`, in every locale. */
function number(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
