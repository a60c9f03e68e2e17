// Where the generations of a shard's state lie, and which one to go on with.
// GF1: a generation's folder is removed only when a later one is complete.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { LastCommit } from '../ports/change_sink.ts';
import type { GenerationStart } from '../ports/log.ts';
import { ALL_CHANGES } from '../ports/profile_store.ts';

export function generationFolder(dataDirectory: string, shard: number, generation: number): string {
  return join(dataDirectory, `shard-${shard}${generation === 1 ? '' : `.generation-${generation}`}`);
}

/** The generation that the shard's change events are of; by the folders when its commits have aged out. */
export function currentGeneration(
  dataDirectory: string,
  shard: number,
  starts: readonly GenerationStart[],
  last: LastCommit | undefined,
): number {
  if (last !== undefined) {
    const { generation, position } = last.header;
    const start = starts.find((known) => known.generation === generation);
    // what differs is not all emitted: the earlier one is still needed
    const isHalfEmitted = start !== undefined && position.sequence === start.sequence && position.ordinal !== ALL_CHANGES;
    return isHalfEmitted ? before(starts, start) : generation;
  }
  // commits have aged out: an earlier folder is there as long as the later one is not complete
  const all = [1, ...starts.map(({ generation }) => generation)];
  const kept = all.filter((n) => existsSync(generationFolder(dataDirectory, shard, n)));
  return kept[0] ?? all.at(-1)!;
}

export function nextGeneration(starts: readonly GenerationStart[], current: number): GenerationStart | undefined {
  return starts.find(({ generation }) => generation > current);
}

/** Cost: a delete of every earlier folder that is left. */
export function removeEarlier(dataDirectory: string, shard: number, starts: readonly GenerationStart[], current: number): void {
  for (const generation of [1, ...starts.map((start) => start.generation)]) {
    if (generation < current) rmSync(generationFolder(dataDirectory, shard, generation), { recursive: true, force: true });
  }
}

/** Also those of generations that the log no longer knows: who is erased must not be in them. */
export function removeAllBefore(dataDirectory: string, shard: number, current: number): void {
  for (const name of readdirSync(dataDirectory)) {
    const m = /^shard-(\d+)(?:\.generation-(\d+))?$/.exec(name);
    if (m !== null && Number(m[1]) === shard && Number(m[2] ?? 1) < current)
      rmSync(generationFolder(dataDirectory, shard, Number(m[2] ?? 1)), { recursive: true, force: true });
  }
}

function before(starts: readonly GenerationStart[], start: GenerationStart): number {
  return starts[starts.indexOf(start) - 1]?.generation ?? 1;
}
