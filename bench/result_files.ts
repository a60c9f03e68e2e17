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
type MemoryFigures = { readonly rss: number; readonly anonymous: number; readonly file: number; readonly second: number };

export type Results = {
  readonly throughput: ResultHead & {
    readonly size: { readonly events: number; readonly profiles: number; readonly many: number; readonly few: number };
    readonly arms: Readonly<Record<string, Rate>>;
    readonly goals: Readonly<Record<'G1' | 'G2' | 'G3', Goal>>;
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
  readonly replay: ResultHead & { readonly goals: { readonly G18: Goal } };
};

/** Undefined when that bench has no committed result. */
export function readResult<Name extends keyof Results>(name: Name): Results[Name] | undefined {
  const path = new URL(`./results/${name}.json`, import.meta.url);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Results[Name]) : undefined;
}
