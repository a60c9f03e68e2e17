// What the body of a record may not hold beside what no payload may: changes of arrays that are none, and names that go on and on.
// RS1: a field's names, from the record down to it, are bounded together: a change event names each field that changed by all of them,
//      so without a bound one record could ask for far more text than it has itself. Merging never makes a longer one.
// RS2: `{"$append": […]}`, `{"$remove": […]}` and both together mean the array at their place; anything else with these keys is a mistake.
//      Inside of an array they mean nothing: it is one value.
// Source: design/semantics.md §4
import { placeIn } from './json_pointer.ts';
import type { Violations } from './payload.ts';

export const APPEND = '$append';
export const REMOVE = '$remove';

/** Characters of the names on the way to a field, each with its dot. */
const NAMES_MAX = 512;

type Keyed = Readonly<Record<string, unknown>>;

export function isArrayChange(value: object): boolean {
  return Object.hasOwn(value, APPEND) || Object.hasOwn(value, REMOVE);
}

/** Adds every place that is wrong. @param body a clean one: its depth is bounded  Cost: O(members), arrays left out */
export function checkRecordShape(body: Keyed, found: Violations): void {
  if (isArrayChange(body)) found.add('schema', '', 'a record is an object: $append and $remove stand where an array is');
  else for (const key of Object.keys(body)) check(body[key], [key], key.length + 1, found);
}

/** @param names the way to the value, given back as it came */
function check(value: unknown, names: string[], length: number, found: Violations): void {
  if (length > NAMES_MAX)
    return found.add('too_large', pointerOf(names), `the names on the way to this field have more than ${NAMES_MAX} characters`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  if (isArrayChange(value)) return checkArrayChange(value as Keyed, names, found);
  for (const key of Object.keys(value)) {
    names.push(key);
    check((value as Keyed)[key], names, length + key.length + 1, found);
    names.pop();
  }
}

function checkArrayChange(change: Keyed, names: readonly string[], found: Violations): void {
  for (const key of Object.keys(change)) {
    if (key !== APPEND && key !== REMOVE)
      found.add('schema', placeIn(pointerOf(names), key), 'beside $append and $remove no other key may stand');
    else if (!Array.isArray(change[key])) found.add('schema', placeIn(pointerOf(names), key), `${key} takes an array`);
  }
}

function pointerOf(names: readonly string[]): string {
  return names.reduce(placeIn, '');
}
