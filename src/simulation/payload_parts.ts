// Pieces that payloads of the simulated world are made of.

/** Of no type that a schema is likely to ask for. */
export const WRONG: readonly unknown[] = ['12', 7, null, true, [1, 2], {}, '2026-01-01T00:00:00Z'];

/** Where two paths disagree about what is an object, the first one stays. */
export function put(body: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = body;
  for (const key of path.slice(0, -1)) {
    const below = (at[key] ??= {});
    if (typeof below !== 'object' || below === null || Array.isArray(below)) return;
    at = below as Record<string, unknown>;
  }
  at[path.at(-1)!] ??= value;
}
