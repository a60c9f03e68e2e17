// JSON as the oracle holds records, and the leaves of a tree: the places in it that have a value, by name.
// JT1: a leaf is a text, number, boolean, null, an array (one leaf, whatever is in it), or an object without members. The root is none.
// JT2: one place has one name, and one name is of one place.
import { VisageError } from '../base/errors.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | Tree;
export type Tree = { readonly [key: string]: JsonValue };

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What stands at a key of its own, not at one that every object has. */
export function member(tree: Tree, key: string): JsonValue | undefined {
  return Object.hasOwn(tree, key) ? tree[key] : undefined;
}

const ROOT = 'attributes';

export type Leaf = { readonly path: readonly string[]; readonly value: JsonValue };

/** Every leaf, in no particular order. Cost: O(leaves × depth) */
export function leavesOf(tree: Tree): Leaf[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    const below = isTree(value) ? leavesOf(value) : [];
    if (below.length === 0) return [{ path: [key], value }];
    return below.map((leaf) => ({ path: [key, ...leaf.path], value: leaf.value }));
  });
}

/** `attributes.person.name`: keys with other characters than A–Z a–z 0–9 _ $ @ : - stand as JSON in brackets: `attributes["a.b"].c`. */
export function leafName(path: readonly string[]): string {
  return [ROOT, ...path].reduce((name, key) => {
    if (/[^A-Za-z0-9_$@:-]/.test(key) || key.length === 0) return `${name}[${JSON.stringify(key)}]`;
    return name.length === 0 ? key : `${name}.${key}`;
  }, '');
}

const STEP = /^(?:\.([^.[\]"]+)|\[("(?:[^"\\]|\\.)*")\])/;

/** The path behind a leaf's name. @throws VisageError `bad_leaf_name` */
export function leafPath(name: string): string[] {
  const path: string[] = [];
  let rest = name.startsWith(ROOT) ? name.slice(ROOT.length) : name;
  while (rest !== '' || path.length === 0) {
    const step = STEP.exec(rest);
    if (step === null) throw new VisageError('bad_leaf_name', 'a change event names a place that no leaf can have');
    path.push(step[1] ?? (JSON.parse(step[2]!) as string));
    rest = rest.slice(step[0].length);
  }
  return path;
}

/** Names and values of all leaves of the attributes of a profile. */
export function namedLeaves(attributes: Tree): Map<string, JsonValue> {
  return new Map(leavesOf(attributes).map(({ path, value }) => [leafName(path), value]));
}

/** The tree that has exactly these leaves; undefined when none has: one of them stands where another has members. Cost: O(leaves × depth) */
export function treeOf(leaves: Iterable<Leaf>): Tree | undefined {
  const root: Record<string, JsonValue> = {};
  const taken = new Set<string>();
  const inner = new Set<string>();
  for (const { path, value } of leaves) {
    let at = root;
    for (const [depth, key] of path.slice(0, -1).entries()) {
      const place = JSON.stringify(path.slice(0, depth + 1));
      if (taken.has(place)) return undefined;
      inner.add(place);
      if (!Object.hasOwn(at, key)) at[key] = {};
      at = at[key] as Record<string, JsonValue>;
    }
    const place = JSON.stringify(path);
    if (path.length === 0 || taken.has(place) || inner.has(place)) return undefined;
    taken.add(place);
    at[path.at(-1)!] = value;
  }
  return root;
}
