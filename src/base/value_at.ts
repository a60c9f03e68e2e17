// A value inside of plain objects, by its path. VA1: own keys only, so that data named `constructor` is data; arrays are values, not levels.

/** Undefined where there is none; of an empty path the record itself. Cost: O(path) */
export function valueAt<V>(record: Readonly<Record<string, V>>, path: readonly string[]): V | undefined {
  let at: unknown = record;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) || !Object.hasOwn(at, key)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[key];
  }
  return at as V;
}
