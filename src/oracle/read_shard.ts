// A shard's log into its oracle, with the definitions that it names fetched on the way.
// RS1: a generation folds the whole log anew, so the log is read again from its start when one is met, once for all of them.
import { assert } from '../base/assert.ts';
import { isFor, parseControl } from '../message/control.ts';
import type { LogMessage } from '../message/log_message.ts';
import { controlSubject } from '../message/subject.ts';
import { ShardOracle, type OracleGeneration, type ShardOracleOptions } from './brute_force.ts';
import type { OraclePlan } from './recompute.ts';

export type ReadShardOptions = Omit<ShardOracleOptions, 'generation' | 'planOf'> & {
  /** The messages from the first on; is called again to read them again. */
  readonly log: () => AsyncIterable<LogMessage>;
  /** The compiled definitions with this content hash. */
  readonly plan: (hash: string) => Promise<OraclePlan>;
};

/** @throws what `log`, `plan` and `ShardOracle.feed` throw */
export async function readShard(options: ReadShardOptions): Promise<ShardOracle> {
  const definitions = controlSubject(options.root, options.shard, 'definitions');
  const generations = controlSubject(options.root, options.shard, 'generation');
  const plans = new Map<string, OraclePlan>();
  const fetch = async (hash: string): Promise<void> => {
    if (!plans.has(hash)) plans.set(hash, await options.plan(hash));
  };
  let generation: OracleGeneration | undefined;
  for (;;) {
    const began = generation?.sequence ?? 0;
    const oracle = new ShardOracle({ ...options, planOf: (hash) => plans.get(hash)!, ...(generation && { generation }) });
    let later: OracleGeneration | undefined;
    for await (const message of options.log()) {
      if (message.subject === generations && message.sequence > began) later = generationOf(message);
      if (later !== undefined) continue; // this oracle is in vain: what is left to find is a still later one
      if (message.subject === definitions && message.sequence > began) {
        const control = parseControl('definitions', message.body);
        if (control.kind === 'definitions' && isFor(control, generation?.generation ?? 1)) await fetch(control.hash);
      }
      oracle.feed(message);
    }
    if (later === undefined) return oracle;
    await fetch(later.hash);
    generation = later;
  }
}

function generationOf({ sequence, body }: LogMessage): OracleGeneration {
  const control = parseControl('generation', body);
  assert(control.kind === 'generation', 'a control message is of the kind that it was parsed as');
  const { generation, hash, foldVersion, settings } = control;
  return { sequence, generation, hash, foldVersion, settings };
}
