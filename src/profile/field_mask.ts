// Which fields of a profile are asked for: `spend30d`, `computed.spend30d`, `person.name`, `attributes.person.name`, `attributes`,
// `computed`, `audiences`.
// FM1: what says which profile this is, and as of when, is always there. FM2: a bare name is the computed attribute's, where there is one.
import { isJsonObject, type Json, type JsonObject } from '../record/json.ts';
import { parsePath } from '../record/leaf_changes.ts';
import { valueAt } from '../base/value_at.ts';
import type { ProfileView } from './view.ts';

export type FieldMask = {
  /** Null: all of them. */
  readonly computed: ReadonlySet<string> | null;
  readonly audiences: boolean;
  /** Paths below `attributes`; null: all of it. */
  readonly attributes: readonly (readonly string[])[] | null;
};

/** One field that is asked for. `none`: it cannot be read, or there is no such computed attribute. */
export type AskedField =
  | { readonly kind: 'computed'; readonly name: string }
  | { readonly kind: 'attributes'; readonly path: readonly string[] }
  | { readonly kind: 'allComputed' | 'audiences' }
  | { readonly kind: 'none'; readonly computed: boolean };

/** @param computed names of the computed attributes */
export function askedField(text: string, computed: ReadonlySet<string>): AskedField {
  if (text === 'computed') return { kind: 'allComputed' };
  if (text === 'audiences') return { kind: 'audiences' };
  if (computed.has(text)) return { kind: 'computed', name: text };
  if (text.startsWith('computed.')) {
    const name = text.slice('computed.'.length);
    return computed.has(name) ? { kind: 'computed', name } : { kind: 'none', computed: true };
  }
  const path = parsePath(text);
  if (path === undefined || path.length === 0) return { kind: 'none', computed: false };
  return { kind: 'attributes', path: path[0] === 'attributes' ? path.slice(1) : path };
}

export function maskOf(fields: readonly AskedField[]): FieldMask {
  const names = fields.flatMap((field) => (field.kind === 'computed' ? [field.name] : []));
  const paths = fields.flatMap((field) => (field.kind === 'attributes' ? [field.path] : []));
  return {
    computed: fields.some(({ kind }) => kind === 'allComputed') ? null : new Set(names),
    audiences: fields.some(({ kind }) => kind === 'audiences'),
    attributes: paths.some((path) => path.length === 0) ? null : paths,
  };
}

/** `a,b["x,y"].c` → both of them. */
export function splitFields(text: string): string[] {
  const fields: string[] = [];
  let quoted = false;
  let from = 0;
  for (let at = 0; at <= text.length; at++) {
    const c = text[at];
    if (quoted && c === '\\') at++;
    else if (c === '"') quoted = !quoted;
    else if (c === undefined || (c === ',' && !quoted)) {
      fields.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  return fields;
}

/** The view with only what is asked for; an audience also where its computed attribute is. Cost: O(what is asked for) */
export function masked(view: ProfileView, mask: FieldMask): ProfileView {
  const { computed, attributes } = mask;
  return {
    ...view,
    attributes: attributes === null ? view.attributes : picked(view.attributes as JsonObject, attributes),
    computed:
      computed === null
        ? view.computed
        : Object.fromEntries(Object.entries(view.computed).filter(([name]) => computed.has(name))),
    audiences: mask.audiences ? view.audiences : view.audiences.filter((name) => computed?.has(name) === true),
  };
}

/** The subtrees at the paths, where they were. */
function picked(record: JsonObject, paths: readonly (readonly string[])[]): JsonObject {
  // shorter ones first: they hold the longer ones
  const wanted = [...paths].sort((a, b) => a.length - b.length);
  const result: Record<string, Json> = {};
  for (const path of wanted) {
    const value = valueAt(record, path);
    if (value !== undefined && valueAt(result, path) === undefined) put(result, path, value);
  }
  return result;
}

function put(into: Record<string, Json>, path: readonly string[], value: Json): void {
  let at = into;
  for (const key of path.slice(0, -1)) {
    const below = Object.hasOwn(at, key) ? at[key] : undefined;
    // objects on the way are made here: those of the record are only ever at the end of a path
    at = at[key] = isJsonObject(below) ? below : {};
  }
  at[path.at(-1)!] = value;
}
