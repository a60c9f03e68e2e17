// What is known of a profile's visible values from its change events alone.
// CV1: paths are names: `computed.<name>` and `attributes.<leaf>` (json_tree.ts). A path that is not known is absent, unless an event did not
//      list all that it changed: from then on it may be anything, until an event says something of it.
// CV2: the leaves under `attributes` are those of one tree.
import { leafPath, treeOf, type Leaf, type Tree } from './json_tree.ts';

/** Known to be there or to have changed, not known to what. */
export const UNKNOWN = Symbol('unknown');
const ABSENT = Symbol('absent');

export class ChainValues {
  readonly #values = new Map<string, unknown>();
  #restUnknown = false;

  /** Undefined: absent. `UNKNOWN`: nobody can tell. */
  get(path: string): unknown {
    const value = this.#values.get(path);
    if (value === undefined) return this.#restUnknown ? UNKNOWN : undefined;
    return value === ABSENT ? undefined : value;
  }

  /** `value` undefined: it is absent from now on. */
  set(path: string, value: unknown): void {
    if (value !== undefined) this.#values.set(path, value);
    else if (this.#restUnknown) this.#values.set(path, ABSENT);
    else this.#values.delete(path);
  }

  /** Something changed, and nobody said what. */
  forgetRest(): void {
    this.#values.clear();
    this.#restUnknown = true;
  }

  /** The profile is not there any more. */
  clear(): void {
    this.#values.clear();
    this.#restUnknown = false;
  }

  /** The paths of which something is known: there, or changed to something that is not known. */
  paths(): string[] {
    return [...this.#values].flatMap(([path, value]) => (value === ABSENT ? [] : [path]));
  }

  /** What is known to be there, by path. */
  known(): Map<string, unknown> {
    return new Map([...this.#values].filter(([, value]) => value !== ABSENT && value !== UNKNOWN));
  }

  /** Is everything known, so that what is not there is known not to be? */
  get isWhole(): boolean {
    return !this.#restUnknown && ![...this.#values.values()].includes(UNKNOWN);
  }

  /** The attributes as a tree, of the leaves that are known; undefined when they are those of no tree.
   *  @throws VisageError `bad_leaf_name` */
  attributes(): Tree | undefined {
    const leaves: Leaf[] = [];
    for (const [path, value] of this.known())
      if (isLeafName(path)) leaves.push({ path: leafPath(path), value: value as Leaf['value'] });
    return treeOf(leaves);
  }
}

export function isLeafName(path: string): boolean {
  return path.startsWith('attributes.') || path.startsWith('attributes[');
}
