// Checkpoints in a loop until it is killed: every profile of a checkpoint has the number of the checkpoint as its version.
// Usage: checkpoint_child.ts <folder> <profiles> <checkpoints>. Prints the number of every committed one, or the error code.
import { IdentityState } from '../../src/aggregate/identity_state.ts';
import { LmdbStore } from '../../src/store/lmdb_store.ts';
import { metaAt, PLAN } from '../unit/store/random_state.ts';

const [folder, profiles, checkpoints] = process.argv.slice(2);
const store = LmdbStore.open(folder!);
const states = Array.from({ length: Number(profiles) }, (_, i) => store.get(`n.${i}`, PLAN) ?? new IdentityState(`n.${i}`));
const from = (store.readMeta()?.applied ?? 0) + 1;
process.stdout.write('ready\n');
try {
  for (let applied = from; applied < from + Number(checkpoints); applied++) {
    const checkpoint = await store.beginCheckpoint();
    for (const state of states) {
      state.version = applied;
      state.dueMs = applied;
      for (let i = 0; i < 3; i++) state.seen.add(applied, i, applied, 150);
      checkpoint.put([store.encode(state, PLAN)]);
    }
    await checkpoint.commit(metaAt(applied));
    process.stdout.write(`${applied}\n`);
  }
} catch (error) {
  process.stdout.write(`${(error as { code?: string }).code}\n`);
}
await store.close();
process.stdout.write('closed\n');
