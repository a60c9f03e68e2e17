// Everything the change stream says during the demo, with the moment it arrived.
import type { Client } from '../worker/client.ts';
import { changeEvents, type ChangeEvent } from './change_event.ts';

/** `arrivedMs`: the wall clock of this machine; `monotonicMs`: for differences within this process. */
export type Arrival = { readonly event: ChangeEvent; readonly arrivedMs: number; readonly monotonicMs: number };

type Waiter = { readonly matches: (event: ChangeEvent) => boolean; readonly found: (arrival: Arrival) => void };

export class ChangeWatch {
  events = 0;
  private readonly stopping = new AbortController();
  private readonly done: Promise<void>;
  private waiters: readonly Waiter[] = [];

  constructor(client: Client) {
    this.done = this.run(client);
    this.done.catch(() => undefined); // `stop` reports it
  }

  /** The first change event from now on that matches; undefined when none comes in time. Call it before the cause. */
  next(matches: (event: ChangeEvent) => boolean, timeoutMs: number): Promise<Arrival | undefined> {
    return new Promise((resolve) => {
      const waiter: Waiter = {
        matches,
        found: (arrival) => {
          clearTimeout(timer);
          resolve(arrival);
        },
      };
      const timer = setTimeout(() => {
        this.waiters = this.waiters.filter((other) => other !== waiter);
        resolve(undefined);
      }, timeoutMs);
      this.waiters = [...this.waiters, waiter];
    });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.done;
  }

  private async run(client: Client): Promise<void> {
    const messages = client.readStream('changes', { from: 'start', until: 'never', signal: this.stopping.signal });
    for await (const message of messages) {
      const arrival = { arrivedMs: Date.now(), monotonicMs: performance.now() };
      for (const event of changeEvents(message)) {
        this.events++;
        for (const waiter of this.waiters) {
          if (!waiter.matches(event)) continue;
          this.waiters = this.waiters.filter((other) => other !== waiter);
          waiter.found({ ...arrival, event });
        }
      }
    }
  }
}
