// Definitions as data: checked, complete, and with one canonical text and hash per meaning.
// D1: equal meaning gives equal text: keys sorted, event types a sorted set, durations in their largest unit, defaults written out.
// D2: the canonical text is itself a valid definitions file: what is kept in KV can be printed, read and applied again.
import { createHash } from 'node:crypto';
import type { AttributeFunction, Window } from '../aggregate/plan.ts';
import { formatDuration } from '../base/time.ts';

export type NamespaceDefinition = {
  readonly type: 'person' | 'device' | 'cookie';
  readonly priority: number;
  readonly unique: boolean;
};

export type SchemaDefinition = {
  readonly class: 'individual';
  readonly behavior: 'event';
  readonly jsonSchema: Readonly<Record<string, unknown>>;
};

export type DatasetDefinition = { readonly schema: string; readonly profile: boolean };

/** `eventTypes`, `filter` and `value` are null when absent; `description` is ''. */
export type AttributeDefinition = {
  readonly class: 'individual';
  readonly description: string;
  readonly eventTypes: readonly string[] | null;
  readonly filter: string | null;
  readonly value: string | null;
  readonly function: AttributeFunction;
  readonly window: Window;
};

/** Maps, because names may be `constructor`. Iteration is in name order. */
export type DefinitionsData = {
  readonly namespaces: ReadonlyMap<string, NamespaceDefinition>;
  readonly schemas: ReadonlyMap<string, SchemaDefinition>;
  readonly datasets: ReadonlyMap<string, DatasetDefinition>;
  readonly computedAttributes: ReadonlyMap<string, AttributeDefinition>;
};

/** `hash` is the SHA-256 of `canonical`, in hex. */
export type DefinitionsDocument = { readonly hash: string; readonly canonical: string; readonly data: DefinitionsData };

export function documentOf(data: DefinitionsData): DefinitionsDocument {
  const canonical = canonicalJson({
    version: 1,
    namespaces: Object.fromEntries(data.namespaces),
    schemas: Object.fromEntries(data.schemas),
    datasets: Object.fromEntries(data.datasets),
    computedAttributes: Object.fromEntries([...data.computedAttributes].map(([name, attribute]) => [name, fileForm(attribute)])),
  });
  return { hash: hashOf(canonical), canonical, data };
}

export function hashOf(canonical: string): string {
  return createHash('sha256').update(canonical).digest('hex');
}

function fileForm(attribute: AttributeDefinition): Record<string, unknown> {
  return {
    class: attribute.class,
    ...(attribute.description === '' ? {} : { description: attribute.description }),
    ...(attribute.eventTypes === null ? {} : { eventTypes: attribute.eventTypes }),
    ...(attribute.filter === null ? {} : { filter: attribute.filter }),
    ...(attribute.value === null ? {} : { value: attribute.value }),
    function: attribute.function,
    window: attribute.window.kind === 'lifetime' ? 'lifetime' : { sliding: formatDuration(attribute.window.ms) },
  };
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
