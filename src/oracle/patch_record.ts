// What a write makes of a record, as RFC 7396 §2 spells it out, and the two ways to change an array in place.
// PR1: the patch and the record are not changed. PR2: `$append` and `$remove` used wrongly were refused by decoding.
// Source: RFC 7396, design/semantics.md §4
import { jsonEqual } from './json_equal.ts';
import { isTree, member, type JsonValue, type Tree } from './json_tree.ts';

/** `MergePatch(Target, Patch)` of the RFC; `target` undefined: there is nothing. */
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isTree(patch)) return patch;
  if (changesAnArray(patch)) return changeArray(target, patch);
  const result = new Map(isTree(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, mergePatch(result.get(name), value));
  }
  return Object.fromEntries(result);
}

function changesAnArray(patch: Tree): boolean {
  return member(patch, '$append') !== undefined || member(patch, '$remove') !== undefined;
}

/** Removes first: what is removed and appended is there in the end, once for each time that it is appended. */
function changeArray(target: JsonValue | undefined, patch: Tree): JsonValue {
  const remove = arrayAt(patch, '$remove');
  const before = Array.isArray(target) ? (target as readonly JsonValue[]) : [];
  return [...before.filter((item) => !remove.some((other) => jsonEqual(item, other))), ...arrayAt(patch, '$append')];
}

function arrayAt(patch: Tree, key: string): readonly JsonValue[] {
  const items = member(patch, key);
  return Array.isArray(items) ? (items as readonly JsonValue[]) : [];
}

/** A body parted into what it says of the person (`record`) and what it says of itself (`envelope`). */
export function partBody(body: Tree): { readonly record: Tree; readonly envelope: Tree } {
  const record: Record<string, JsonValue> = {};
  const envelope: Record<string, JsonValue> = {};
  for (const [key, value] of Object.entries(body)) {
    if (key === '_id' || key === 'identityMap') envelope[key] = value;
    else if (key !== 'extSourceSystemAudit' || !isTree(value) || member(value, 'lastUpdatedDate') === undefined)
      record[key] = value;
    else {
      const { lastUpdatedDate, ...others } = value;
      envelope[key] = { lastUpdatedDate: lastUpdatedDate! };
      if (Object.keys(others).length > 0) record[key] = others;
    }
  }
  return { record, envelope };
}

/** A record with its envelope around it: what a schema speaks of. */
export function joinBody(record: Tree, envelope: Tree): Tree {
  const whole: Record<string, JsonValue> = { ...record };
  for (const [key, value] of Object.entries(envelope)) {
    const there = member(record, key);
    whole[key] = isTree(there) && isTree(value) ? { ...there, ...value } : value;
  }
  return whole;
}
