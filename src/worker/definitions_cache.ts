// Definitions by content hash: fetched once, compiled once, shared by all shards of the worker.
import { assert } from '../base/assert.ts';
import { VisageError } from '../base/errors.ts';
import type { EpochMs } from '../base/time.ts';
import type { Plan } from '../aggregate/plan.ts';
import { compilePlan } from '../definitions/compile_plan.ts';
import { definitionsWarnings } from '../definitions/definitions_warnings.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import type { DefinitionsSource } from '../shard/shard_options.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';

export type DefinitionsCache = DefinitionsSource & {
  /** Must have been loaded. */
  documentOf(hash: string): DefinitionsDocument;
  /** What is live now. @throws VisageError `no_definitions`, `unavailable` (retry) */
  live(): Promise<DefinitionsDocument>;
  /** With when it became live; null: not known. @throws as `live` */
  liveSince(): Promise<{ readonly document: DefinitionsDocument; readonly sinceMs: EpochMs | null }>;
};

/** @param warn hears, once, what those of the live definitions do not do yet that are loaded */
export function definitionsCache(meta: MetaBucket, warn: (warning: string) => void): DefinitionsCache {
  const warned = new Set<string>();
  const documents = new Map<string, { readonly document: DefinitionsDocument; readonly plan: Plan }>();
  const load = async (hash: string): Promise<void> => {
    if (documents.has(hash)) return;
    const document = parseDefinitionsDocument(await meta.definitions(hash));
    documents.set(hash, { document, plan: compilePlan(document) });
    const warnings = definitionsWarnings(document);
    // a replay goes through what was live long ago
    if (warnings.length === 0 || warned.has(hash)) return;
    warned.add(hash); // shards load the same at the same time
    if ((await meta.liveDefinitions()) === hash) warnings.forEach(warn);
  };
  const loaded = (hash: string): { readonly document: DefinitionsDocument; readonly plan: Plan } => {
    const found = documents.get(hash);
    assert(found !== undefined, `definitions ${hash.slice(0, 12)} were loaded before they are used`);
    return found;
  };
  const live = async (hash: string | undefined): Promise<DefinitionsDocument> => {
    if (hash === undefined) throw new VisageError('no_definitions', 'there are no definitions yet', { kind: 'retry' });
    await load(hash);
    return loaded(hash).document;
  };
  return {
    load,
    planOf: (hash) => loaded(hash).plan,
    documentOf: (hash) => loaded(hash).document,
    live: async () => live(await meta.liveDefinitions()),
    async liveSince() {
      const { hash, sinceMs } = await meta.liveSince();
      return { document: await live(hash), sinceMs };
    },
  };
}
