// Owns time in the simulated world: what happens, happens here, one task after the other.
// SC1: the order of tasks is a function of the seed alone. Between two tasks every promise that can go on does so: nothing in this
//      world waits for the machine, so an empty microtask queue is the same point on every machine.
// SC2: time moves only from task to task (and by `spend`, `leap`); it never goes back.
import { assert } from '../base/assert.ts';
import type { Random } from '../base/random.ts';

type Task = { readonly atMs: number; readonly tie: number; readonly order: number; run: (() => void) | null };

/** Resolves when every promise that can go on did: Node empties the microtask queue before its next turn. */
function microtasksRun(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class Scheduler {
  /** Virtual milliseconds since the world began. */
  nowMs = 0;
  /** Tasks that were run. */
  steps = 0;
  private readonly random: Random;
  /** Tasks of one instant run in any order; else in the order in which they were asked for. */
  private readonly shuffle: boolean;
  private heap: Task[] = [];
  private asked = 0;

  constructor(random: Random, shuffle: boolean) {
    this.random = random;
    this.shuffle = shuffle;
  }

  /** @returns cancel */
  after(ms: number, run: () => void): () => void {
    assert(ms >= 0, 'nothing is scheduled before now');
    const tie = this.shuffle ? this.random.next() : 0;
    const task: Task = { atMs: this.nowMs + ms, tie, order: this.asked++, run };
    this.push(task);
    return () => void (task.run = null);
  }

  delay(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Whoever runs took this long: what is due meanwhile is late. */
  spend(ms: number): void {
    this.nowMs += ms;
  }

  /** The whole machine stands still (a suspended process): time goes on, nothing runs; then everything that is due runs late. */
  leap(ms: number): void {
    this.nowMs += ms;
  }

  /** Runs everything that is due within the next `ms`, until `until` says that it is enough. */
  async pass(ms: number, until: () => boolean = () => false): Promise<void> {
    const endMs = this.nowMs + ms;
    await microtasksRun();
    for (;;) {
      if (until()) return;
      const task = this.heap[0];
      if (task === undefined || task.atMs > endMs) break;
      this.removeFirst();
      if (task.run === null) continue;
      this.nowMs = Math.max(this.nowMs, task.atMs);
      this.steps++;
      task.run();
      await microtasksRun();
    }
    this.nowMs = Math.max(this.nowMs, endMs);
  }

  private push(task: Task): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(task);
    for (let parent = (at - 1) >> 1; at > 0 && before(task, heap[parent]!); parent = (at - 1) >> 1) {
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = task;
  }

  private removeFirst(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Task, b: Task): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  return a.tie !== b.tie ? a.tie < b.tie : a.order < b.order;
}
