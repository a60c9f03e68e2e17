// Definitions as data: checked, complete, and with one canonical text and hash per meaning.
// D1: equal meaning gives equal text: keys sorted, event types a sorted set, durations in their largest unit, defaults written out
//     where the key existed in the first release; what came later (audience, revision, identities, timeToLive, mergePolicies) is left
//     out when it says nothing, so that a document keeps its hash from release to release.
// D2: the canonical text is itself a valid definitions file: what is kept in KV can be printed, read and applied again.
import { createHash } from 'node:crypto';
import type { AttributeFunction } from '../aggregate/plan.ts';
import type { Window } from '../aggregate/window.ts';
import { formatDuration, type DurationMs } from '../base/time.ts';
import { policyFileForm, type PolicyDefinition } from './merge_policies.ts';
import { windowFileForm } from './window_definition.ts';

export type NamespaceDefinition = {
  readonly type: 'person' | 'device' | 'cookie';
  readonly priority: number;
  readonly unique: boolean;
};

export type SchemaDefinition = {
  readonly class: 'individual';
  readonly behavior: 'event' | 'record';
  readonly jsonSchema: Readonly<Record<string, unknown>>;
  /** By path. */
  readonly identities: readonly IdentityPlace[];
};

/** `path`: a JSON pointer into the payload. */
export type IdentityPlace = { readonly path: string; readonly namespace: string };

/** `revision`: of the definitions it came in with; 1: the first. */
export type DatasetDefinition = {
  readonly schema: string;
  readonly profile: boolean;
  /** Null: its events never age. */
  readonly timeToLiveMs: DurationMs | null;
  readonly revision: number;
};

/** `eventTypes`, `filter`, `value`, `limit` and `expression` are null when absent; `description` is ''. */
export type AttributeDefinition = {
  readonly class: 'individual';
  readonly description: string;
  readonly eventTypes: readonly string[] | null;
  readonly filter: string | null;
  readonly value: string | null;
  readonly function: AttributeFunction;
  /** `lifetime` for an expression, which has none. */
  readonly window: Window;
  readonly limit: number | null;
  readonly expression: string | null;
  readonly audience: boolean;
  /** As of a dataset. */
  readonly revision: number;
};

/** Maps, because names may be `constructor`. Iteration is in name order. */
export type DefinitionsData = {
  readonly namespaces: ReadonlyMap<string, NamespaceDefinition>;
  readonly schemas: ReadonlyMap<string, SchemaDefinition>;
  readonly datasets: ReadonlyMap<string, DatasetDefinition>;
  /** As the file has them: none, where it defines none. */
  readonly mergePolicies: ReadonlyMap<string, PolicyDefinition>;
  readonly computedAttributes: ReadonlyMap<string, AttributeDefinition>;
};

/** `hash` is the SHA-256 of `canonical`, in hex. */
export type DefinitionsDocument = { readonly hash: string; readonly canonical: string; readonly data: DefinitionsData };

export function documentOf(data: DefinitionsData): DefinitionsDocument {
  const canonical = canonicalJson({
    version: 1,
    namespaces: Object.fromEntries(data.namespaces),
    schemas: Object.fromEntries([...data.schemas].map(([name, schema]) => [name, schemaForm(schema)])),
    datasets: Object.fromEntries([...data.datasets].map(([name, dataset]) => [name, datasetForm(dataset)])),
    ...(data.mergePolicies.size === 0
      ? {}
      : { mergePolicies: Object.fromEntries([...data.mergePolicies].map(([name, policy]) => [name, policyFileForm(policy)])) }),
    computedAttributes: Object.fromEntries([...data.computedAttributes].map(([name, attribute]) => [name, fileForm(attribute)])),
  });
  return { hash: hashOf(canonical), canonical, data };
}

export function hashOf(canonical: string): string {
  return createHash('sha256').update(canonical).digest('hex');
}

function schemaForm({ identities, ...schema }: SchemaDefinition): Record<string, unknown> {
  return { ...schema, ...(identities.length === 0 ? {} : { identities }) };
}

function datasetForm({ schema, profile, timeToLiveMs, revision }: DatasetDefinition): Record<string, unknown> {
  const timeToLive = timeToLiveMs === null ? {} : { timeToLive: formatDuration(timeToLiveMs) };
  return { schema, profile, ...timeToLive, ...revisionForm(revision) };
}

function fileForm(attribute: AttributeDefinition): Record<string, unknown> {
  return {
    class: attribute.class,
    ...(attribute.description === '' ? {} : { description: attribute.description }),
    ...(attribute.eventTypes === null ? {} : { eventTypes: attribute.eventTypes }),
    ...(attribute.filter === null ? {} : { filter: attribute.filter }),
    ...(attribute.value === null ? {} : { value: attribute.value }),
    function: attribute.function,
    ...(attribute.function === 'expression' ? {} : { window: windowFileForm(attribute.window) }),
    ...(attribute.limit === null ? {} : { limit: attribute.limit }),
    ...(attribute.expression === null ? {} : { expression: attribute.expression }),
    ...(attribute.audience ? { audience: true } : {}),
    ...revisionForm(attribute.revision),
  };
}

function revisionForm(revision: number): { readonly revision?: number } {
  return revision === 1 ? {} : { revision };
}

/** JSON with the keys of every object in code-unit order. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson((value as Record<string, unknown>)[key])}`);
  return `{${entries.join(',')}}`;
}
