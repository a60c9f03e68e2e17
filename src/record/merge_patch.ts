// Upserts: RFC 7396 merge patches, and the two explicit ways to change an array.
// MP1: a function of both values; neither is changed; parts that stay are shared.
// MP2: `{"$append": […]}` and `{"$remove": […]}` (both may stand together: removed first) mean the array at their place: a place that is
//      empty, or holds no array, counts as an empty one. What else is written with these keys is refused at the door.
// MP3: an item is removed when it is the same JSON as one that is named, wherever it stands and however often.
// Source: design/semantics.md §4, RFC 7396 §2
import { APPEND, isArrayChange, REMOVE } from '../message/record_shape.ts';
import { canonicalText, isJsonObject, type Json, type JsonObject } from './json.ts';

/** The record after the patch; `target` undefined: there was none. Cost: O(size of the patch, of the objects on its way, of arrays that
 *  it changes) */
export function applyMergePatch(target: JsonObject | undefined, patch: JsonObject): JsonObject {
  return patched(target, patch) as JsonObject;
}

function patched(target: Json | undefined, patch: Json): Json {
  if (!isJsonObject(patch)) return patch;
  if (isArrayChange(patch)) return changedArray(target, patch);
  const result: Record<string, Json> = isJsonObject(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key]!;
    if (value === null) delete result[key];
    else result[key] = patched(Object.hasOwn(result, key) ? result[key] : undefined, value);
  }
  return result;
}

function changedArray(target: Json | undefined, change: JsonObject): Json {
  const before: readonly Json[] = Array.isArray(target) ? (target as readonly Json[]) : [];
  const removed = new Set(itemsOf(change, REMOVE).map(canonicalText));
  const kept = removed.size === 0 ? before : before.filter((item) => !removed.has(canonicalText(item)));
  return [...kept, ...itemsOf(change, APPEND)];
}

function itemsOf(change: JsonObject, key: typeof APPEND | typeof REMOVE): readonly Json[] {
  const items = Object.hasOwn(change, key) ? change[key] : undefined;
  return Array.isArray(items) ? (items as readonly Json[]) : [];
}
