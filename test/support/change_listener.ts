// Change events as they arrive, with the moment of their arrival.
import type { Connection } from '../../src/nats/connection.ts';
import { eventually } from './eventually.ts';

/** A CloudEvent of the change stream. */
export type ChangeEvent = {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: {
    readonly profile: { readonly namespace: string; readonly id: string };
    readonly version: number;
    readonly previousVersion: number;
    readonly sequence: number;
    readonly cause: readonly { readonly kind: string; readonly [field: string]: unknown }[];
    readonly changes: readonly { readonly path: string; readonly before?: unknown; readonly after?: unknown }[];
  };
};
export type Arrival = { readonly event: ChangeEvent; readonly wallMs: number };

export interface ChangeListener {
  readonly arrivals: Arrival[];
  /** The first arrival, past or to come, that is as wanted. */
  first(what: string, wanted: (event: ChangeEvent) => boolean, timeoutMs?: number): Promise<Arrival>;
}

/** Listens with a plain subscription: what it hears was published just now. */
export async function listenToChanges(nc: Connection, root = 'visage'): Promise<ChangeListener> {
  const arrivals: Arrival[] = [];
  nc.subscribe(`${root}.changes.*`, {
    callback: (error, message) => {
      if (error !== null) return;
      const wallMs = Date.now();
      for (const event of message.json<ChangeEvent[]>()) arrivals.push({ event, wallMs });
    },
  });
  await nc.flush();
  return {
    arrivals,
    first: (what, wanted, timeoutMs = 10_000) =>
      eventually(`a change event: ${what}`, () => arrivals.find(({ event }) => wanted(event)), { timeoutMs, everyMs: 5 }),
  };
}
