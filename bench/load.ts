// The load generator, from the bench's side.
import { fork, type ChildProcess } from 'node:child_process';
import type { World } from './world.ts';

export type LoadOrder = {
  /** Begins the `_id` of every event: one of its own per order. */
  readonly tag: string;
  readonly rate: number;
  readonly seconds: number;
  /** Begins the ids of the customers, of whom there are `profiles`: by chance, each as likely, or one after the other. */
  readonly customers: string;
  readonly profiles: number;
  readonly inTurn?: boolean;
  readonly seed: number;
  /** Every event's latency comes back. */
  readonly keepAll?: boolean;
};

/** Latency: from when an event was due to be sent to when its change event was read. */
export type LoadResult = {
  readonly rate: number;
  readonly events: number;
  /** Sent, but not seen within a minute; and seen more than once. */
  readonly unmatched: number;
  readonly repeated: number;
  /** How fast what is due but not yet seen grows, as a share of the rate; and what of it is due but not yet sent. */
  readonly lagGrowth: number;
  readonly sendLagGrowth: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** How late the generator itself was. */
  readonly sendLateP50Ms: number;
  readonly sendLateP999Ms: number;
  /** When it was asked for: the latency of each event, in the order in which they were due, the first of them then (wall clock). */
  readonly all?: { readonly startedAtMs: number; readonly latenciesMs: readonly number[] };
};

export class LoadGenerator {
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  /** It reads the change stream from here on. */
  static async start(world: World, root: string): Promise<LoadGenerator> {
    const script = new URL('./load_child.ts', import.meta.url).pathname;
    const load = new LoadGenerator(fork(script, [world.server.url, root]));
    await load.answer();
    return load;
  }

  /** Sends what is ordered and waits for all of it. @throws when an event was lost, or came back twice */
  async run(order: LoadOrder): Promise<LoadResult> {
    this.child.send(order);
    const result = (await this.answer()) as LoadResult;
    if (result.unmatched > 0 || result.repeated > 0)
      throw new Error(`${order.tag}: of ${result.events} events ${result.unmatched} were never seen, ${result.repeated} twice`);
    return result;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.disconnect();
    await gone;
  }

  private answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`the load generator ended with ${code}`));
      this.child.once('exit', ended);
      this.child.once('message', (answer) => {
        this.child.off('exit', ended);
        resolve(answer);
      });
    });
  }
}
