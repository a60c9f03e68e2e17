// Result files, as the pages and pictures show them and `check` compares them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { argumentOf } from './arguments.ts';
import type { Goal } from './figures.ts';

/** The committed ones. */
export const RESULTS_FOLDER = join(import.meta.dirname, 'results');

export type ResultHead = {
  readonly commit: string;
  /** Its day, in UTC. */
  readonly measuredOn?: string;
  readonly node: string;
  readonly server: string;
  readonly syncInterval: string;
  readonly cpu: string;
};

export type Rate = { readonly eventsPerSecond: Pick<Goal, 'median' | 'min' | 'max'> };
type Lateness = { readonly p50Ms: number; readonly p99Ms: number };
type MemoryFigures = { readonly rss: number; readonly anonymous: number; readonly file: number; readonly second: number };

export type Results = {
  readonly throughput: ResultHead & {
    readonly size: { readonly events: number; readonly profiles: number; readonly many: number; readonly few: number };
    readonly arms: Readonly<Record<string, Rate>>;
    readonly goals: Readonly<Record<'G1' | 'G2' | 'G3', Goal>>;
  };
  readonly flushed: ResultHead & { readonly size: { readonly events: number }; readonly goals: { readonly G1flushed: Goal } };
  readonly windows: ResultHead & {
    /** `windows`: values in the window, from the fewest to the most. */
    readonly size: { readonly windows: readonly number[]; readonly naive: number };
    readonly arms: Readonly<Record<string, Rate>>;
    readonly goals: Readonly<Record<'G4' | 'G4part' | 'G5' | 'G6' | 'G7' | 'G7float', Goal>>;
  };
  readonly expiry: ResultHead & {
    readonly size: { readonly tickMs: number };
    readonly arms: Readonly<Record<'quiet' | 'busy', { readonly rounds: readonly Lateness[] }>>;
    readonly goals: Readonly<Record<'G8' | 'G8busy', Goal>>;
  };
  readonly idle: ResultHead & {
    readonly size: { readonly profiles: number };
    readonly goals: Readonly<Record<'G9' | 'G9more', Goal>>;
  };
  readonly hot: ResultHead & { readonly goals: { readonly G10: Goal } };
  readonly latency: ResultHead & {
    readonly arms: {
      readonly search: { readonly sustainable: number };
      readonly latency: {
        readonly p50Ms: Goal;
        readonly rounds: readonly {
          readonly rate: number;
          readonly p50Ms: number;
          readonly p99Ms: number;
          readonly p999Ms: number;
          readonly maxMs: number;
        }[];
      };
    };
    readonly goals: { readonly G12: Goal };
  };
  readonly disk: ResultHead & { readonly goals: Readonly<Record<'G15' | 'G15second', Goal>> };
  readonly memory: ResultHead & {
    readonly size: { readonly profiles: number };
    readonly arms: {
      readonly base: MemoryFigures;
      readonly budget: number;
      readonly slopes: Readonly<Record<'rss' | 'anonymous', { readonly mbPerMinute: number; readonly percentPerMinute: number }>>;
      readonly soak: readonly MemoryFigures[];
    };
    readonly goals: Readonly<Record<'G16' | 'G16anonymous', Goal>>;
  };
  readonly ring_bytes: ResultHead & {
    readonly size: Readonly<Record<'usual' | 'long', { readonly values: number }>>;
    readonly goals: Readonly<Record<'G17' | 'G17long', Goal>>;
  };
  readonly metrics: ResultHead & { readonly goals: { readonly G14: Goal } };
  readonly replay: ResultHead & { readonly goals: { readonly G18: Goal } };
  readonly herd: ResultHead & {
    readonly size: { readonly profiles: number };
    readonly arms: {
      readonly before: { readonly p99Ms: number };
      readonly during: { readonly p99Ms: number };
      readonly blocks: { readonly longestMs: number };
      readonly tookMs: number;
      readonly left: readonly { readonly afterMs: number; readonly values: number }[];
    };
    readonly goals: Readonly<Record<'F11block' | 'F11read' | 'F11seconds', Goal>>;
  };
  readonly schemas: ResultHead & {
    readonly size: { readonly events: number };
    readonly goals: Readonly<Record<'checked' | 'checkAlone', Goal>>;
  };
  readonly dataset_delete: ResultHead & {
    readonly size: { readonly profiles: number; readonly rate: number };
    readonly arms: { readonly deleting: Readonly<Record<'sweepMs' | 'beforeP99Ms' | 'duringP99Ms' | 'duringMaxMs', Goal>> };
    readonly goals: { readonly deleting: Goal };
  };
  readonly http: ResultHead & {
    readonly bytes: number;
    readonly arms: Readonly<Record<'worker' | 'echo', { readonly requestsPerSecond: Goal }>>;
    readonly goals: { readonly G20: Goal };
  };
  readonly readers: ResultHead & {
    readonly arms: { readonly search: { readonly sustainable: number } } & Readonly<
      Record<'readers' | 'badTokens', { readonly rounds: readonly { readonly lagGrowth: number }[] }>
    >;
    readonly goals: Readonly<Record<'readersP99' | 'badTokensP99', Goal>>;
  };
  readonly restart: ResultHead & {
    readonly size: { readonly few: number; readonly many: number };
    readonly arms: Readonly<Record<'few' | 'many', { readonly ms: Goal }>>;
    readonly goals: { readonly G11: Goal };
  };
  readonly snapshot: ResultHead & {
    readonly size: { readonly profiles: number; readonly rate: number };
    readonly arms: Readonly<Record<'neither' | 'checkpoints' | 'snapshots', { readonly p99Ms: Goal }>>;
    readonly goals: Readonly<Record<'G13' | 'G13checkpoints', Goal>>;
  };
  readonly workers: ResultHead & {
    readonly arms: Readonly<Record<'one' | 'two', { readonly eventsPerSecond: Goal }>>;
    readonly goals: { readonly G19: Goal };
  };
  readonly rolling: ResultHead & {
    readonly size: { readonly rate: number };
    readonly arms: {
      readonly outcomes: readonly {
        readonly profiles: number;
        readonly longestGapMs: number;
        readonly failedReads: number;
        readonly answeredReads: number;
        readonly restartMs: readonly number[];
        readonly p99Ms: number;
        readonly events: number;
      }[];
    };
    readonly goals: Readonly<Record<string, Goal>>;
  };
};

export type SomeResults = Partial<Results>;

const BENCHES = Object.keys({
  throughput: 0,
  flushed: 0,
  windows: 0,
  expiry: 0,
  idle: 0,
  hot: 0,
  latency: 0,
  disk: 0,
  memory: 0,
  ring_bytes: 0,
  metrics: 0,
  replay: 0,
  herd: 0,
  schemas: 0,
  dataset_delete: 0,
  http: 0,
  readers: 0,
  restart: 0,
  snapshot: 0,
  workers: 0,
  rolling: 0,
} satisfies Record<keyof Results, 0>) as (keyof Results)[];

/** Every result that the folder has. */
export function readResults(folder: string = RESULTS_FOLDER): SomeResults {
  const found = BENCHES.map((bench) => [bench, join(folder, `${bench}.json`)] as const).filter(([, path]) => existsSync(path));
  return Object.fromEntries(found.map(([bench, path]) => [bench, JSON.parse(readFileSync(path, 'utf8')) as unknown]));
}

/** Where a bench writes: beside the committed results, or below `--out=`. */
export function newResultPath(bench: string): string {
  return join(argumentOf('out') ?? RESULTS_FOLDER, `${bench}.json`);
}
