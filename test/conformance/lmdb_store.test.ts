// What only the LMDB store can be asked: processes that die, folders that are damaged, disks that are full.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IdentityState } from '../../src/aggregate/identity_state.ts';
import { insertValue } from '../../src/aggregate/part.ts';
import { seededRandom } from '../../src/base/random.ts';
import { flipOneValue } from '../../src/store/flip_value.ts';
import { LmdbStore } from '../../src/store/lmdb_store.ts';
import { contentOf, metaAt, PLAN } from '../unit/store/random_state.ts';

const CHILD = join(import.meta.dirname, 'checkpoint_child.ts');
const PROFILES = 2_000; // more than lmdb-js queues before it begins to write

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'visage-lmdb.'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function write(applied: number, version: number): Promise<void> {
  const store = LmdbStore.open(folder);
  await writeTo(store, applied, version);
  await store.close();
}

async function writeTo(store: LmdbStore, applied: number, version: number): Promise<void> {
  const checkpoint = await store.beginCheckpoint();
  for (let i = 0; i < 200; i++) {
    const state = new IdentityState(`n.${i}`);
    state.version = version;
    checkpoint.put([store.encode(state, PLAN)]);
  }
  await checkpoint.commit(metaAt(applied));
}

/** Everything there is agrees with meta. */
async function check(profiles: number): Promise<number> {
  const store = LmdbStore.open(folder);
  const applied = store.readMeta()?.applied ?? 0;
  let dues = 0;
  for (let i = 0; applied > 0 && i < profiles; i++) {
    const state = store.get(`n.${i}`, PLAN)!;
    if (state.version !== applied) throw new Error(`profile ${i} is of ${state.version}, meta of ${applied}`);
    if (state.seen.size !== Math.min(150, applied * 3)) throw new Error(`profile ${i} has ${state.seen.size} ids`);
    dues++;
  }
  const due = store.scanDue({ dueMs: -1, key: '' }, 2 * profiles);
  expect(due.length).toBe(dues);
  expect(new Set(due.map(({ dueMs }) => dueMs)).size).toBeLessThanOrEqual(1);
  await store.close();
  return applied;
}

describe('a store whose process is killed', () => {
  it('has all of a checkpoint or none of it', async () => {
    const random = seededRandom(Date.now() % 1_000);
    let last = 0;
    for (let kill = 0; kill < 5; kill++) {
      const child = spawn(process.execPath, [CHILD, folder, String(PROFILES), '1000000'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let printed = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
      await once(child.stdout, 'data');
      await delay(50 + random.below(350));
      child.kill('SIGKILL');
      await once(child, 'close');
      const committed = Number(printed.trim().split('\n').pop()) || last;
      const applied = await check(PROFILES);
      expect(applied).toBeGreaterThanOrEqual(committed);
      last = applied;
    }
    expect(last).toBeGreaterThan(5);
  });
});

describe('a store whose process is killed in the middle of a snapshot', () => {
  it('is not held up by the reader that was left behind: what is freed is used again', async () => {
    await write(1, 1);
    const source = join(import.meta.dirname, '../../src/store/lmdb_store.ts');
    const script = `import { LmdbStore } from ${JSON.stringify(source)};
      const snapshot = LmdbStore.open(${JSON.stringify(folder)}).snapshot();
      setInterval(() => snapshot, 1000);
      console.log('open');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'close');
    const store = LmdbStore.open(folder);
    for (let applied = 2; applied < 12; applied++) await writeTo(store, applied, applied);
    const early = statSync(join(folder, 'data.mdb')).size;
    for (let applied = 12; applied < 60; applied++) await writeTo(store, applied, applied);
    await store.close();
    expect(statSync(join(folder, 'data.mdb')).size).toBeLessThan(1.5 * early);
  });
});

describe('a store whose disk is full', () => {
  it('refuses the checkpoint, keeps the one before, and can be closed', async () => {
    // a limit on file sizes, in units of 512 or 1,024 bytes, stands for the full disk
    const command = `trap '' XFSZ; ulimit -f 8000; exec "$0" "$@"`;
    const args = ['-c', command, process.execPath, CHILD, folder, String(PROFILES), '1000'];
    const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    await once(child, 'close');
    const lines = printed.trim().split('\n');
    expect(lines.slice(-2)).toEqual(['store_write_failed', 'closed']);
    expect(await check(PROFILES)).toBe(Number(lines.at(-3)));
  });
});

describe('a damaged folder', () => {
  const data = (): string => join(folder, 'data.mdb');
  const error = (): unknown => {
    try {
      void LmdbStore.open(folder).close();
    } catch (thrown) {
      return thrown;
    }
    return undefined;
  };
  const unreadable = expect.objectContaining({ code: 'store_unreadable', kind: 'stop_shard' }) as unknown;

  it('is refused, not read', async () => {
    for (const content of [Buffer.alloc(100, 7), Buffer.alloc(100_000, 7)]) {
      writeFileSync(data(), content);
      expect(error()).toEqual(unreadable);
      expect((error() as Error).message).toContain(folder);
    }
    rmSync(data());
    await write(1, 1);
    const whole = join(folder, 'whole');
    mkdirSync(whole);
    cpSync(data(), join(whole, 'data.mdb'));
    truncateSync(data(), 16_384);
    expect(error()).toEqual(unreadable);
    for (const page of [0, 1]) {
      const bytes = Buffer.alloc(statSync(join(whole, 'data.mdb')).size);
      cpSync(join(whole, 'data.mdb'), data());
      bytes.fill(7);
      writeFileSync(data(), bytes.subarray(0, 4_096), { flag: 'r+' });
      if (page === 1) truncateSync(data(), 4_096);
      expect(error()).toEqual(unreadable);
    }
    cpSync(join(whole, 'data.mdb'), data());
    expect(error()).toBeUndefined();
  });

  it('cut short by a few pages is refused too: LMDB would end the process at the first that is missing', async () => {
    const store = LmdbStore.open(folder);
    const checkpoint = await store.beginCheckpoint();
    for (let i = 0; i < 100; i++) {
      const state = new IdentityState(`n.${i}`);
      for (let id = 0; id < 2_000; id++) state.seen.add(i, id, id, 2_000); // more than fits a page: pages of its own
      checkpoint.put([store.encode(state, PLAN)]);
    }
    await checkpoint.commit(metaAt(1));
    await store.close();
    const whole = statSync(data()).size;
    for (const pages of [1, 2, 7, 50, 200]) {
      cpSync(data(), join(folder, 'copy'));
      truncateSync(data(), whole - pages * 4_096);
      expect(error()).toEqual(unreadable);
      expect((error() as Error).message).toContain('the file is cut short');
      cpSync(join(folder, 'copy'), data());
    }
    expect(error()).toBeUndefined();
  });

  it('is opened when only pages are missing that nothing needs: freed before they were ever written', async () => {
    await write(1, 1);
    const file = openSync(data(), 'r+');
    for (const page of [0, 4_096]) {
      const last = Buffer.alloc(8);
      readSync(file, last, 0, 8, page + 144);
      last.writeBigUInt64LE(last.readBigUInt64LE() + 100n);
      writeSync(file, last, 0, 8, page + 144);
    }
    closeSync(file);
    expect(error()).toBeUndefined();
    await write(2, 2);
    const store = LmdbStore.open(folder);
    expect([store.readMeta()?.applied, store.get('n.7', PLAN)?.version]).toEqual([2, 2]);
    await store.close();
  });

  it('that is a file is refused', () => {
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'x');
    expect(error()).toEqual(unreadable);
  });

  it('with a checkpoint that was queued only in part is refused', async () => {
    await write(1, 1);
    const store = LmdbStore.open(folder);
    const checkpoint = await store.beginCheckpoint();
    checkpoint.put([store.encode(new IdentityState('n.1'), PLAN)]);
    checkpoint.put([{ key: 'n.2', bytes: 1, head: 5, chunks: [] } as never]); // a defect
    await expect(checkpoint.commit(metaAt(2))).rejects.toMatchObject({ code: 'store_write_failed' });
    await store.close();
    expect(error()).toEqual(unreadable);
  });
});

describe('flipOneValue', () => {
  it('changes one value by one', async () => {
    await write(1, 1);
    expect(await flipOneValue(folder, PLAN)).toBeUndefined();
    const store = LmdbStore.open(folder);
    const state = store.get('n.150', PLAN)!;
    insertValue(state.partFor(PLAN.measures[0]!, 1), PLAN.measures[0]!, 9.99, {
      atMs: 5,
      sequence: 1,
      nowMs: 5,
      exactEvents: 5_000,
    });
    const checkpoint = await store.beginCheckpoint();
    checkpoint.put([store.encode(state, PLAN)]);
    await checkpoint.commit(metaAt(2));
    await store.close();
    expect(await flipOneValue(folder, PLAN)).toMatch(/^[0-9a-f]{16}$/);
    const after = LmdbStore.open(folder);
    state.parts[0]!.acc[7]! += 1;
    expect(contentOf(after.get('n.150', PLAN)!)).toEqual(contentOf(state));
    expect(after.readMeta()).toEqual(metaAt(2));
    await after.close();
  });
});
