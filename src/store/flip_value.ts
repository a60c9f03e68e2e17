// Damages one stored value on purpose, to show that verification finds it. The worker must be down.
import { hash64 } from '../base/fnv1a.ts';
import type { IdentityState } from '../aggregate/identity_state.ts';
import { SLOT } from '../aggregate/part.ts';
import type { Plan } from '../aggregate/plan.ts';
import { LmdbStore } from './lmdb_store.ts';

const PAGE = 100;

/** Adds one to the first count or sum over all time that isn't zero, and writes it back.
 *  @param folder a shard's folder   @returns a hash of the identity, as 16 hex digits; undefined when there is no such value
 *  @throws VisageError `store_unreadable`, `store_damaged`, `unknown_measure` */
export async function flipOneValue(folder: string, plan: Plan): Promise<string | undefined> {
  const store = LmdbStore.open(folder);
  try {
    const meta = store.readMeta();
    if (meta === undefined) return undefined;
    const state = findAndFlip(store, plan);
    if (state === undefined) return undefined;
    const checkpoint = await store.beginCheckpoint();
    checkpoint.put([store.encode(state, plan)]);
    await checkpoint.commit(meta);
    const words = new Uint32Array(2);
    hash64(state.key, words);
    return [words[1]!, words[0]!].map((word) => word.toString(16).padStart(8, '0')).join('');
  } finally {
    await store.close();
  }
}

function findAndFlip(store: LmdbStore, plan: Plan): IdentityState | undefined {
  const snapshot = store.snapshot();
  try {
    for (let after = ''; ;) {
      const states = snapshot.page(after, PAGE, plan);
      for (const state of states) if (flip(state, plan)) return state;
      if (states.length < PAGE) return undefined;
      after = states[states.length - 1]!.key;
    }
  } finally {
    snapshot.close();
  }
}

function flip(state: IdentityState, plan: Plan): boolean {
  for (const attribute of plan.attributes) {
    if (attribute.window.kind !== 'lifetime' || attribute.slot < 0) continue;
    const at = attribute.slot * SLOT;
    const changed = attribute.function === 'sum' ? at + 1 : at;
    for (const part of state.parts) {
      if (part.measure !== attribute.measure || part.acc[at] === 0) continue;
      part.acc[changed]! += 1;
      return true;
    }
  }
  return false;
}
