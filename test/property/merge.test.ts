// Records: merging, patching and comparing them against definitions of their own, over arbitrary JSON. VISAGE_PROPERTY_RUNS asks for
// another number of runs, VISAGE_SEED for another seed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../src/record/json.ts';
import { leafChanges, parsePath, type LeafChange } from '../../src/record/leaf_changes.ts';
import { applyMergePatch } from '../../src/record/merge_patch.ts';
import { merged, ranked, sourcesAt, type MergePolicy, type MergeSource } from '../../src/record/merge_policy.ts';

const numRuns = Number(process.env['VISAGE_PROPERTY_RUNS'] ?? 2_000);
const seed = Number(process.env['VISAGE_SEED'] ?? 1);

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
/** Few keys, so that trees meet; names that every object has, and those that need care in a path. */
const KEYS = ['a', 'b', 'c', '', 'a.b', '["a"]', 'constructor', 'toString', '0', '\ud800'];
const leaf = fc.oneof(
  fc.constantFrom<Json>(0, -0, 1, '', 'a', null, true, [], [1], [{ a: 1 }], ['a', null], 1e-7, '\ud800'),
  fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<Json>,
);
function objects(keys: readonly string[], depth: number): fc.Arbitrary<JsonObject> {
  const value = depth === 0 ? leaf : fc.oneof({ weight: 2, arbitrary: leaf }, { weight: 3, arbitrary: objects(keys, depth - 1) });
  return fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 4, noNullPrototype: true });
}
const record = objects(KEYS, 3);
/** As the wire has it: arbitrary JSON, `__proto__` left out, which the door refuses. */
const anything = fc
  .dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { noNullPrototype: true })
  .map((value) => JSON.parse(JSON.stringify(value).replaceAll('__proto__', '__prot__')) as JsonObject);

const RANK = fc.record({
  dataset: fc.nat(3),
  identity: fc.constantFrom('email.a', 'email.b'),
  lastUpdatedMs: fc.constantFrom(1, 2, 3),
  sequence: fc.constantFrom(1, 2),
});
/** What one dataset says of one identity is one source. */
const sources = fc
  .array(fc.tuple(RANK, record), { maxLength: 6 })
  .map((list) =>
    list
      .map(([rank, said]): MergeSource => ({ ...rank, name: `d${rank.dataset}`, record: said }))
      .filter(
        (each, i, all) => all.findIndex((other) => other.dataset === each.dataset && other.identity === each.identity) === i,
      ),
  );
const policy = fc
  .oneof(fc.constant(null), fc.shuffledSubarray([0, 1, 2, 3]))
  .map((order): MergePolicy => ({ name: 'p', isDefault: true, stitching: 'none', order }));

/** Compared as JSON: equal whatever the order of keys, and -0 is 0 as in the text that is stored. */
const plain = (value: Json | undefined): unknown =>
  value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);

/** A leaf's definition of its own: of the sources that have anything at its place and above, the strongest decides at each step. */
function expectedAt(strongest: readonly JsonObject[]): JsonObject {
  const keys = new Set(strongest.flatMap((object) => Object.keys(object)));
  return Object.fromEntries(
    [...keys].map((key) => {
      const values = strongest.filter((object) => Object.hasOwn(object, key)).map((object) => object[key]!);
      return [key, isObject(values[0]) ? expectedAt(values.filter(isObject)) : values[0]!];
    }),
  );
}

/** Sorted by a key that says it all, not by comparing pairs. */
function expectedRank(list: readonly MergeSource[], { order }: MergePolicy): MergeSource[] {
  const pad = (n: number): string => String(n).padStart(20, '0');
  const keyOf = (each: MergeSource): string =>
    [order === null ? 0 : order.indexOf(each.dataset), 1e15 - each.lastUpdatedMs, 1e15 - each.sequence].map(pad).join() +
    `${each.name},${each.identity}`;
  return list
    .filter(({ dataset }) => order === null || order.includes(dataset))
    .map((each) => ({ each, key: keyOf(each) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ each }) => each);
}

describe('merging', () => {
  it('is, leaf by leaf, what the strongest source says there', () => {
    let overlaps = 0;
    fc.assert(
      fc.property(sources, policy, (list, by) => {
        const expected = expectedRank(list, by);
        expect(ranked(list, by)).toEqual(expected);
        if (expected.length > 2) overlaps++;
        expect(plain(merged(list, by))).toEqual(plain(expectedAt(expected.map((each) => each.record))));
      }),
      { numRuns, seed },
    );
    expect(overlaps).toBeGreaterThan(numRuns / 10);
  });

  it('is a function of the set of sources: in any order, any grouping, with any of them twice', () => {
    fc.assert(
      fc.property(
        sources,
        policy,
        fc.array(fc.nat(5), { maxLength: 4 }),
        fc.infiniteStream(fc.nat(99)),
        (list, by, again, draws) => {
          const expected = merged(list, by);
          const drawn = list.map((each) => ({ each, at: draws.next().value as number }));
          const shuffled = drawn.sort((a, b) => a.at - b.at).map(({ each }) => each);
          expect(JSON.stringify(merged(shuffled, by))).toBe(JSON.stringify(expected)); // the order of keys too
          const repeated = [...shuffled, ...again.filter((i) => i < list.length).map((i) => ({ ...list[i]! }))];
          expect(plain(merged(repeated, by))).toEqual(plain(expected));
          // a join of sets: whoever has some of them already gets the same when the others come
          expect(plain(merged([...ranked(shuffled.slice(0, shuffled.length >> 1), by), ...list], by))).toEqual(plain(expected));
        },
      ),
      { numRuns, seed },
    );
  });

  it('names the source of each leaf that is shown, first', () => {
    let shown = 0;
    fc.assert(
      fc.property(sources, policy, (list, by) => {
        const whole = merged(list, by);
        for (const { path, after } of leafChanges({}, whole, '')) {
          const [winner] = sourcesAt(list, by, parsePath(path)!);
          shown++;
          expect(plain(winner?.value)).toEqual(plain(after));
        }
        // and nobody for a place that no leaf, and no object, is shown at
        for (const { record: said } of list) {
          for (const { path } of leafChanges({}, said, '')) {
            const names = parsePath(path)!;
            const isShown = names.reduce<Json | undefined>(
              (at, key) => (isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined),
              whole,
            );
            expect(sourcesAt(list, by, names).length > 0).toBe(isShown !== undefined);
          }
        }
      }),
      { numRuns, seed },
    );
    expect(shown).toBeGreaterThan(numRuns);
  });
});

/** Applies changes as a consumer does: first what went, with the objects that become empty by it, then what is there now. */
function applied(before: JsonObject, changes: readonly LeafChange[]): Json {
  const root = JSON.parse(JSON.stringify(before)) as Record<string, Json>;
  const own = (at: unknown, key: string): Record<string, Json> => (at as Record<string, Record<string, Json>>)[key]!;
  const takeOut = (at: Record<string, Json>, [key, ...rest]: readonly string[]): void => {
    if (!Object.hasOwn(at, key!)) throw new Error('what is to go is not there');
    if (rest.length > 0) takeOut(own(at, key!), rest);
    if (rest.length === 0 || Object.keys(own(at, key!)).length === 0) delete at[key!];
  };
  for (const { path, before: was, after } of changes)
    if (was !== undefined && after === undefined) takeOut(root, parsePath(path)!.slice(1));
  for (const { path, after } of changes) {
    if (after === undefined) continue;
    const names = parsePath(path)!.slice(1);
    let at = root;
    for (const name of names.slice(0, -1)) {
      if (!Object.hasOwn(at, name)) at[name] = {};
      at = own(at, name);
    }
    at[names.at(-1)!] = after;
  }
  return root;
}

describe('changes, leaf by leaf', () => {
  const pairs = fc.oneof(
    fc.tuple(record, record),
    fc.tuple(anything, anything),
    fc.tuple(record, record).map(([a, patch]): [JsonObject, JsonObject] => [a, applyMergePatch(a, patch)]),
  );

  it('lead from the tree before to the tree after, and back', () => {
    fc.assert(
      fc.property(pairs, ([before, after]) => {
        const changes = leafChanges(before, after, 'attributes');
        expect(plain(applied(before, changes))).toEqual(plain(after));
        const back = changes.map((change) => ({ path: change.path, before: change.after, after: change.before }));
        expect(plain(applied(after, back))).toEqual(plain(before));
      }),
      { numRuns, seed },
    );
  });

  it('name each leaf once, only such that differ, and none when nothing does', () => {
    fc.assert(
      fc.property(pairs, ([before, after]) => {
        const changes = leafChanges(before, after, 'attributes');
        expect(new Set(changes.map(({ path }) => path)).size).toBe(changes.length);
        for (const change of changes) expect(plain(change.before)).not.toEqual(plain(change.after));
        expect(leafChanges(before, JSON.parse(JSON.stringify(before)) as JsonObject, 'attributes')).toEqual([]);
      }),
      { numRuns, seed },
    );
  });
});

/** RFC 7396 §2, line by line, with the two ways to change an array before it. */
function mergePatchOfTheRfc(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  if ('$append' in patch || '$remove' in patch) {
    const there = Array.isArray(target) ? (target as readonly Json[]) : [];
    const gone = ((patch['$remove'] ?? []) as readonly Json[]).map(plain);
    const stays = there.filter((item) => !gone.some((other) => equal(plain(item), other)));
    return [...stays, ...((patch['$append'] ?? []) as readonly Json[])];
  }
  const result = new Map<string, Json>(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, mergePatchOfTheRfc(result.get(name), value));
  }
  return Object.fromEntries(result);
}

function equal(a: unknown, b: unknown): boolean {
  try {
    expect(a).toEqual(b);
    return true;
  } catch {
    return false;
  }
}

describe('merge patches', () => {
  const change = fc
    .record(
      {
        $append: fc.array(leaf, { maxLength: 3 }),
        $remove: fc.array(fc.oneof(leaf, fc.constant<Json>({ a: 1 })), { maxLength: 3 }),
      },
      { requiredKeys: [], noNullPrototype: true },
    )
    .filter((value) => Object.keys(value).length > 0) as fc.Arbitrary<JsonObject>;
  const patch = fc.oneof(
    record,
    fc.dictionary(fc.constantFrom(...KEYS), fc.oneof(leaf, change, record), { maxKeys: 5, noNullPrototype: true }),
  );

  it('are those of the RFC', () => {
    fc.assert(
      fc.property(fc.option(record, { nil: undefined }), patch, (target, by) => {
        const before = JSON.stringify([target, by]);
        expect(plain(applyMergePatch(target, by))).toEqual(plain(mergePatchOfTheRfc(target, by)));
        expect(JSON.stringify([target, by])).toBe(before);
      }),
      { numRuns, seed },
    );
  });

  it('of values, not of arrays, may come twice', () => {
    fc.assert(
      fc.property(record, record, (target, by) => {
        const once = applyMergePatch(target, by);
        expect(plain(applyMergePatch(once, by))).toEqual(plain(once));
        expect(({} as Record<string, unknown>)['a']).toBeUndefined(); // nothing has come into what every object has
      }),
      { numRuns, seed },
    );
  });
});
