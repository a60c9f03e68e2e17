import { describe, expect, it } from 'vitest';
import type { LastCommit } from '../../../src/ports/change_sink.ts';
import type { Checkpoint } from '../../../src/ports/profile_store.ts';
import { Checkpointer, type FrozenMeta } from '../../../src/shard/checkpointer.ts';
import type { CommitPump } from '../../../src/shard/commit_pump.ts';
import { FakeClock, settle } from './fakes.ts';
import { EVERYTHING, FoldRun, LogWriter, metaOf } from './fold_run.ts';

class Bench {
  readonly clock = new FakeClock();
  readonly run = new FoldRun(EVERYTHING, Infinity);
  readonly log = new LogWriter();
  readonly order: string[] = [];
  last: LastCommit = {
    streamSequence: 5,
    header: {
      epoch: 1,
      owner: 'w',
      position: { sequence: 0, ordinal: -1 },
      changeCount: 0,
      changeDigest: 0,
      definitionsHash: null,
      foldVersion: 1,
      generation: 1,
      logCreated: 'l',
      fingerprint: '',
    },
  };
  acknowledge: (sequence: number, ordinal?: number) => void = () => undefined;
  fail: (error: Error) => void = () => undefined;
  readonly checkpointer = new Checkpointer(this.run.store, this.run.cache, this.clock);
  /** Only what the checkpointer uses. */
  readonly pump = {
    covered: () =>
      new Promise<void>((resolve, reject) => {
        this.acknowledge = (sequence, ordinal = -1) => {
          this.last = { streamSequence: 8, header: { ...this.last.header, position: { sequence, ordinal } } };
          resolve();
        };
        this.fail = reject;
      }),
  } as unknown as CommitPump;

  constructor() {
    Object.defineProperty(this.pump, 'last', { get: () => this.last });
    const { store } = this.run;
    const begin = store.beginCheckpoint.bind(store);
    store.beginCheckpoint = async (): Promise<Checkpoint> => {
      this.order.push('begin');
      const checkpoint = await begin();
      return {
        put: (profiles) => (this.order.push(`put ${profiles.length}`), checkpoint.put(profiles)),
        commit: (meta) => (this.order.push('commit'), checkpoint.commit(meta)),
      };
    };
    this.run.apply(this.log.definitions(EVERYTHING, 1000));
    this.buy('ada');
  }

  buy(id: string): void {
    this.run.apply(
      this.log.event(
        id,
        { _id: `e${this.log.messages.length}`, timestamp: '1970-01-01T00:00:01Z', eventType: 'buy', price: 1 },
        1000,
      ),
    );
  }

  get meta(): FrozenMeta {
    return metaOf(this.run.fold);
  }
}

describe('a checkpoint', () => {
  it('is written only when a commit at or past it is acknowledged (I3), profiles and meta in one (I2)', async () => {
    const bench = new Bench();
    const done = bench.checkpointer.run(bench.meta, EVERYTHING, bench.pump, false);
    await settle();
    bench.buy('bob'); // after the freeze: not in it
    bench.buy('ada');
    expect([bench.order, bench.run.disk.meta, bench.checkpointer.running]).toEqual([[], undefined, true]);
    bench.acknowledge(4);
    expect(await done).toBeUndefined();
    expect(bench.order).toEqual(['begin', 'put 1', 'commit']);
    expect(bench.run.disk.meta).toMatchObject({
      applied: 2,
      profiles: 1,
      changeCount: 1,
      commitStreamSequence: 8,
      commitPosition: { sequence: 4, ordinal: -1 },
    });
    expect(bench.checkpointer.last).toMatchObject({ sequence: 2, profiles: 1 });
    expect([bench.checkpointer.running, bench.run.cache.dirtyCount]).toEqual([false, 2]);
    bench.run.restart();
    expect(bench.run.view('customerId.ada')?.computed['sumAll']?.value).toBe(1);
    expect(bench.run.view('customerId.bob')).toBeUndefined();
  });

  it('refuses to pass the last commit, whatever the pump claims', async () => {
    for (const [sequence, ordinal] of [
      [1, -1],
      [2, 5],
    ] as const) {
      const bench = new Bench();
      const done = bench.checkpointer.run(bench.meta, EVERYTHING, bench.pump, false);
      await settle();
      bench.acknowledge(sequence, ordinal);
      await expect(done).rejects.toThrow(/I3/);
      expect(bench.run.disk.meta).toBeUndefined();
    }
  });

  it('is one at a time; idle waits for it and tells of its failure', async () => {
    const bench = new Bench();
    await bench.checkpointer.idle();
    const done = bench.checkpointer.run(bench.meta, EVERYTHING, bench.pump, false);
    await expect(bench.checkpointer.run(bench.meta, EVERYTHING, bench.pump, false)).rejects.toThrow(/one checkpoint at a time/);
    const idle = bench.checkpointer.idle();
    await settle();
    bench.fail(new Error('stopped'));
    await expect(done).rejects.toThrow('stopped');
    await expect(idle).rejects.toThrow('stopped');
    expect([bench.order, bench.run.disk.meta]).toEqual([[], undefined]);
  });

  it('opens a look at exactly itself', async () => {
    const bench = new Bench();
    const done = bench.checkpointer.run(bench.meta, EVERYTHING, bench.pump, true);
    await settle();
    bench.buy('bob');
    bench.acknowledge(9);
    const snapshot = (await done)!;
    expect(snapshot.meta.applied).toBe(2);
    expect(snapshot.page('', 10, EVERYTHING).map(({ key }) => key)).toEqual(['customerId.ada']);
    snapshot.close();
  });

  it('of nothing moves the position all the same', async () => {
    const bench = new Bench();
    await bench.run.checkpoint();
    bench.run.apply(bench.log.event('x', '{', 1000));
    bench.order.length = 0;
    const done = bench.checkpointer.run(bench.meta, EVERYTHING, bench.pump, false);
    await settle();
    bench.acknowledge(3);
    await done;
    expect(bench.order).toEqual(['begin', 'put 0', 'commit']);
    expect(bench.run.disk.meta).toMatchObject({ applied: 3, profiles: 1 });
  });
});
