// One small world again and again, killed at its first await, then at its second, and so on until it has no more of them.
import { simulate, type SimulationOptions, type SimulationResult } from './simulate.ts';

export type CrashWalk = {
  /** Places to die: the awaits of the run in which nobody died. */
  readonly awaits: number;
  /** What was wrong, by the await at which the process died. */
  readonly failed: readonly { readonly crashAt: number; readonly result: SimulationResult }[];
};

/** Every crash point from `first` on, `step` apart. Cost: about 15 ms a point for 12 messages. */
export async function crashWalk(options: SimulationOptions, first = 1, step = 1): Promise<CrashWalk> {
  const failed: { crashAt: number; result: SimulationResult }[] = [];
  let awaits = 0;
  for (let crashAt = first; ; crashAt += step) {
    const result = await simulate({ ...options, crashAt });
    if (result.finding !== null) failed.push({ crashAt, result });
    // an await of a life that is over anyway kills nobody: further ones may
    if (result.crashes === 0 && result.awaits < crashAt) return { awaits, failed };
    awaits = crashAt;
  }
}
