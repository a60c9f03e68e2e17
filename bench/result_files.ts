// The committed results, as the README and its pictures show them.
import { existsSync, readFileSync } from 'node:fs';
import type { Goal } from './figures.ts';

export type ResultHead = {
  readonly commit: string;
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
    readonly arms: Readonly<Record<string, unknown>>;
    readonly goals: Readonly<Record<'G13' | 'G13checkpoints', Goal>>;
  };
  readonly workers: ResultHead & { readonly goals: { readonly G19: Goal } };
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

/** Undefined when that bench has no committed result. */
export function readResult<Name extends keyof Results>(name: Name): Results[Name] | undefined {
  const path = new URL(`./results/${name}.json`, import.meta.url);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Results[Name]) : undefined;
}
