// What changed between two trees, leaf by leaf, and the names of leaves.
// LC1: a leaf is a text, number, boolean, null, an array (one leaf), or an object without members. The root is none.
// LC2: applied to the tree before (first what went, with the objects that become empty by it, then what is there now) the changes give
//      the tree after, for any two trees.
// LC3: the order of changes is a function of the two trees: the keys of the tree after in their order, then what only the tree before has.
import { isJsonObject, sameJson, type Json, type JsonObject } from './json.ts';

/** `before`, `after` undefined: there is no such leaf. */
export type LeafChange = { readonly path: string; readonly before: Json | undefined; readonly after: Json | undefined };

const PLAIN_KEY = /^[A-Za-z0-9_$@:-]+$/;

/** `person.name.firstName`; a key with any other character stands in brackets: `emails["ada@x.y"]`. One path, one text. */
export function pathText(path: readonly string[]): string {
  let text = '';
  for (const key of path) text = joined(text, key);
  return text;
}

function joined(parent: string, key: string): string {
  if (!PLAIN_KEY.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === '' ? key : `${parent}.${key}`;
}

/** The path behind a text; undefined when it is none. */
export function parsePath(text: string): string[] | undefined {
  const path: string[] = [];
  let at = 0;
  while (at < text.length) {
    if (text[at] === '[') {
      const end = closing(text, at);
      if (end < 0) return undefined;
      try {
        path.push(JSON.parse(text.slice(at + 1, end)) as string);
      } catch {
        return undefined;
      }
      at = end + 1;
    } else {
      if (at > 0 && text[at++] !== '.') return undefined;
      let end = at;
      while (end < text.length && text[end] !== '.' && text[end] !== '[') end++;
      if (end === at) return undefined;
      path.push(text.slice(at, end));
      at = end;
    }
  }
  return path;
}

/** Where the bracket that opens at `from` is closed: it holds one JSON text. */
function closing(text: string, from: number): number {
  if (text[from + 1] !== '"') return -1;
  for (let at = from + 2; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return text[at + 1] === ']' ? at + 1 : -1;
  }
  return -1;
}

/** @param prefix what every path begins with: `attributes`  Cost: O(size of both) */
export function leafChanges(before: JsonObject, after: JsonObject, prefix: string): LeafChange[] {
  const changes: LeafChange[] = [];
  if (before !== after) compareObjects(before, after, prefix, changes);
  return changes;
}

function compareObjects(before: JsonObject, after: JsonObject, path: string, changes: LeafChange[]): void {
  for (const key of Object.keys(after)) {
    const was = Object.hasOwn(before, key) ? before[key] : undefined;
    const is = after[key];
    if (was !== is) compare(was, is, joined(path, key), changes);
  }
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(after, key)) compare(before[key], undefined, joined(path, key), changes);
  }
}

function compare(was: Json | undefined, is: Json | undefined, path: string, changes: LeafChange[]): void {
  const wasInner = hasMembers(was) ? was : undefined;
  const isInner = hasMembers(is) ? is : undefined;
  if (wasInner !== undefined && isInner !== undefined) return compareObjects(wasInner, isInner, path, changes);
  if (wasInner !== undefined) compareObjects(wasInner, {}, path, changes);
  const oldLeaf = wasInner === undefined ? was : undefined;
  const newLeaf = isInner === undefined ? is : undefined;
  if (!sameJson(oldLeaf, newLeaf)) changes.push({ path, before: oldLeaf, after: newLeaf });
  if (isInner !== undefined) compareObjects({}, isInner, path, changes);
}

function hasMembers(value: Json | undefined): value is JsonObject {
  if (!isJsonObject(value)) return false;
  for (const _ in value) return true;
  return false;
}
