// For the demo: damages one stored value of a worker that is down, so that verification has something to find.
import { join } from 'node:path';
import type { Plan } from '../aggregate/plan.ts';
import { flipOneValue } from '../store/flip_value.ts';

/** Adds one to one count or sum in the first shard that has any. @returns the shard; undefined when nothing was stored yet */
export async function sabotage(dataDirectory: string, partitions: number, plan: Plan): Promise<number | undefined> {
  for (let shard = 0; shard < partitions; shard++) {
    if ((await flipOneValue(join(dataDirectory, `shard-${shard}`), plan)) !== undefined) return shard;
  }
  return undefined;
}
