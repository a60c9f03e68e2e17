// How long a worker may take to stop, read from the sources: whoever ends its process must give it more.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './dockerfile.ts';

/** Handing shards over, then draining those that are left, then answering what was asked. */
export function stopMsMax(): number {
  return (
    constant('create_worker.ts', 'HAND_OVER_MS') +
    constant('shard_machine.ts', 'DRAIN_MS_MAX') +
    constant('routed_reads.ts', 'FORWARD_MS')
  );
}

function constant(file: string, name: string): number {
  const source = readFileSync(join(ROOT, 'src/worker', file), 'utf8');
  const [, digits] = new RegExp(`^const ${name} = ([\\d_]+);`, 'm').exec(source) ?? [];
  if (digits === undefined) throw new Error(`${file} has no ${name}`);
  return Number(digits.replaceAll('_', ''));
}
