// Rewriting a store: everything that is in it stays, nothing that was deleted does, whatever a crash leaves.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { IdentityState } from '../../src/aggregate/identity_state.ts';
import { seededRandom } from '../../src/base/random.ts';
import { eraseState } from '../../src/shard/deletes.ts';
import { compactStore, lastCompaction, removeUnfinished } from '../../src/store/lmdb_compaction.ts';
import { LmdbStore } from '../../src/store/lmdb_store.ts';
import { contentOf, live, metaAt, PLAN } from '../unit/store/random_state.ts';

const PERSON = 'ada%40lovelace%2Eexample';
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'visage-compaction.'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** How often the bytes are in the files of the folder, those of folders in it too. */
function found(text: string): number {
  let count = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const bytes = readFileSync(join(entry.parentPath, entry.name));
    for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) count++;
  }
  return count;
}

async function write(store: LmdbStore, states: readonly IdentityState[], applied: number): Promise<void> {
  const checkpoint = await store.beginCheckpoint();
  checkpoint.put(states.map((state) => store.encode(state, PLAN)));
  await checkpoint.commit(metaAt(applied));
}

function everything(store: LmdbStore): unknown {
  const keys = store.keysAfter('', 10_000);
  return {
    meta: store.readMeta(),
    due: store.scanDue({ dueMs: -1, key: '' }, 100_000),
    profiles: keys.map((key) => [key, contentOf(store.get(key, PLAN)!)]),
  };
}

/** 600 profiles, among them the person's, which is written again and again and removed with the last checkpoint. */
async function fill(): Promise<unknown> {
  const random = seededRandom(7);
  const states = Array.from({ length: 600 }, (_, i) => new IdentityState(`email.p${String(i).padStart(4, '0')}`));
  const person = new IdentityState(`email.p0300${PERSON}`);
  const store = LmdbStore.open(folder);
  for (let checkpoint = 1; checkpoint <= 6; checkpoint++) {
    for (const state of [...states.filter((_, i) => i % 6 === checkpoint - 1), person])
      live(state, random, checkpoint === 3 ? 400 : 20);
    await write(store, [...states.filter((_, i) => i % 6 === checkpoint - 1), person], checkpoint);
  }
  eraseState(person);
  await write(store, [person], 7);
  expect(store.get(person.key, PLAN)).toBeUndefined();
  const content = everything(store);
  await store.close();
  return content;
}

test('after a rewrite no byte of what was removed is left, and everything else is as it was', async () => {
  const before = await fill();
  expect(found(PERSON)).toBeGreaterThan(3); // a removal alone leaves them
  await compactStore(folder, 1_234);
  expect(found(PERSON)).toBe(0);
  expect(lastCompaction(folder)).toEqual({ applied: 7, timeMs: 1_234 });
  expect(readdirSync(folder).sort()).toEqual(['compacted.json', 'data.mdb']);

  const store = LmdbStore.open(folder);
  expect(everything(store)).toEqual(before);
  const later = new IdentityState('email.later');
  live(later, seededRandom(8), 50);
  await write(store, [later], 8); // it can be gone on with
  await store.close();
  const again = LmdbStore.open(folder);
  expect(again.readMeta()?.applied).toBe(8);
  expect(again.keysAfter('', 10_000)).toHaveLength(601);
  await again.close();
});

test('what a crash has left is thrown away, and never taken for the store', async () => {
  const before = await fill();
  mkdirSync(join(folder, 'compacting'));
  writeFileSync(join(folder, 'compacting', 'data.mdb'), `half written ${PERSON}`);
  writeFileSync(join(folder, 'compacted.json'), '{"applied":7,"tim');
  expect(lastCompaction(folder)).toBeUndefined();
  removeUnfinished(folder);
  expect(existsSync(join(folder, 'compacting'))).toBe(false);
  const store = LmdbStore.open(folder);
  expect(everything(store)).toEqual(before);
  await store.close();
  mkdirSync(join(folder, 'compacting'));
  writeFileSync(join(folder, 'compacting', 'data.mdb'), `half written ${PERSON}`);
  await compactStore(folder, 1);
  expect(found(PERSON)).toBe(0);
  expect(lastCompaction(folder)?.applied).toBe(7);
});

test('where there is no store nothing happens; a damaged one is refused and left as it is', async () => {
  await compactStore(folder, 1);
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(join(folder, 'data.mdb'), 'no store at all');
  await expect(compactStore(folder, 1)).rejects.toMatchObject({ code: 'store_unreadable', kind: 'stop_shard' });
  expect(readFileSync(join(folder, 'data.mdb'), 'utf8')).toBe('no store at all');
  expect(lastCompaction(folder)).toBeUndefined();
  mkdirSync(join(folder, 'compacted.json.new', 'x'), { recursive: true }); // what cannot be taken away
  expect(() => removeUnfinished(folder)).toThrow(expect.objectContaining({ code: 'store_unreadable' }) as Error);
});
