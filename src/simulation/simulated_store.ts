// The store's twin and its disk: the product's own memory store, with a disk that may forget what was not flushed.
// SD1: a crash leaves one whole committed state: the last one, or with a power cut any since the last flush. Never half of one (I2).
// SD2: a commit fails with and without having been written; one that was under way at a crash was written, or was not.
import { assert } from '../base/assert.ts';
import type { Random } from '../base/random.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { Checkpoint, EncodedProfile, ProfileStore, ShardMeta } from '../ports/profile_store.ts';
import { MemoryDisk, MemoryStore } from '../store/memory_store.ts';
import { SimulatedFault, type Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';
import type { Faults } from './swarm.ts';

export type SimulatedDiskOptions = {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: () => Faults;
  /** What becomes of the profiles that a checkpoint has (planted bugs). */
  readonly written: (profiles: readonly EncodedProfile[]) => readonly EncodedProfile[];
  /** Hears every checkpoint when it is committed. */
  readonly onCommitted: (meta: ShardMeta, life: Life) => void;
};

const IMAGES_MAX = 16;

export class SimulatedDisk {
  private readonly options: SimulatedDiskOptions;
  /** Committed states that a power cut may leave, oldest first: the first one is flushed. */
  private images: MemoryDisk[] = [new MemoryDisk()];
  private owner: Life | undefined;
  /** Writes the owner's checkpoint that is under way. */
  private writing: (() => void) | null = null;
  private powerCut = false;

  readonly number: number;

  constructor(options: SimulatedDiskOptions, number = 0) {
    this.options = options;
    this.number = number;
  }

  /** Another disk with what is on this one: restored from a snapshot. */
  copy(number: number): SimulatedDisk {
    const copied = new SimulatedDisk(this.options, number);
    copied.images = [copyOf(this.images.at(-1)!)];
    return copied;
  }

  get meta(): ShardMeta | undefined {
    return this.images.at(-1)!.meta;
  }

  /** The owner dies: its open transaction was written, or was not; a power cut takes back what was not flushed. Or it lives on, and
   *  whoever takes over has what the owner once had. */
  leave(dead: boolean): void {
    const { random, faults } = this.options;
    if (dead && random.next() < 0.5) this.writing?.();
    this.writing = null;
    this.powerCut = random.next() < faults().powerCuts;
  }

  /** A store on a copy of the last state: what an earlier owner still writes goes to its own copy, and is not seen. */
  open(life: Life): ProfileStore {
    const { images } = this;
    this.images = [images[this.powerCut ? this.options.random.below(images.length) : images.length - 1]!];
    this.powerCut = false;
    this.writing = null;
    this.owner = life;
    const disk = copyOf(this.images[0]!);
    const inner = new MemoryStore(disk);
    const { random, faults } = this.options;
    const readable = (): void => {
      if (random.next() < faults().readFails) throw new SimulatedFault('the disk could not be read');
    };
    return {
      readMeta: () => inner.readMeta(),
      get: (key, plan) => {
        readable();
        return inner.get(key, plan);
      },
      prefetch: (keys: readonly IdentityKey[]) =>
        life.call('store.prefetch', () => {
          assert(keys.length > 0, 'nothing is fetched for nothing');
          readable();
        }),
      encode: (state, plan) => inner.encode(state, plan),
      beginCheckpoint: () => life.call('store.beginCheckpoint', () => this.checkpoint(life, inner)),
      scanDue: (after, limit) => inner.scanDue(after, limit),
      keysAfter: (after, limit) => inner.keysAfter(after, limit),
      snapshot: () => inner.snapshot(),
      stats: () => inner.stats(),
      close: () => life.call('store.close', () => void inner.close()),
    };
  }

  private checkpoint(life: Life, inner: MemoryStore): Checkpoint {
    const { random, faults, written } = this.options;
    const collected: EncodedProfile[] = [];
    return {
      put: (profiles) => void collected.push(...written(profiles)),
      commit: async (meta) => {
        const write = (): void => void this.write(life, inner, collected, meta);
        if (this.owner === life) this.writing = write;
        await life.call('store.commit', () => {
          if (this.writing === write) this.writing = null;
          const fails = random.next() < faults().commitFails;
          if (!fails || random.next() < 0.5) write();
          if (fails) throw new SimulatedFault('the checkpoint could not be committed');
        });
      },
    };
  }

  /** Waits for nothing but promises: it is done before the next task. */
  private async write(life: Life, inner: MemoryStore, profiles: readonly EncodedProfile[], meta: ShardMeta): Promise<void> {
    const isSeen = this.owner === life;
    const checkpoint = await inner.beginCheckpoint();
    checkpoint.put(profiles);
    await checkpoint.commit(meta);
    this.options.onCommitted(meta, life);
    if (!isSeen) return;
    const image = copyOf(inner.disk);
    this.images.push(image);
    if (this.images.length > IMAGES_MAX) this.images.shift();
    const { scheduler, random, faults } = this.options;
    scheduler.after(random.below(faults().flushMs + 1), () => {
      const at = this.images.indexOf(image);
      if (at > 0) this.images.splice(0, at);
    });
  }
}

function copyOf(disk: MemoryDisk): MemoryDisk {
  const copy = new MemoryDisk();
  copy.heads = new Map(disk.heads);
  copy.chunks = new Map(disk.chunks);
  copy.due = new Map(disk.due);
  copy.meta = disk.meta;
  return copy;
}
