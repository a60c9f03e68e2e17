// Definitions by content hash: fetched once, compiled once, shared by all shards of the worker.
import { assert } from '../base/assert.ts';
import type { Plan } from '../aggregate/plan.ts';
import { compilePlan } from '../definitions/compile_plan.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import type { DefinitionsSource } from '../shard/shard_options.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';

export function definitionsCache(meta: MetaBucket): DefinitionsSource {
  const plans = new Map<string, Plan>();
  return {
    async load(hash) {
      if (!plans.has(hash)) plans.set(hash, compilePlan(parseDefinitionsDocument(await meta.definitions(hash))));
    },
    planOf(hash) {
      const plan = plans.get(hash);
      assert(plan !== undefined, `definitions ${hash.slice(0, 12)} were loaded before they are used`);
      return plan;
    },
  };
}
