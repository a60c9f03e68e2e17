// A profile's events, as they are read. Shapes only.
import type { Identity } from '../message/identity.ts';

/** An event that counts, with its whole payload. `timestamp`: its own. */
export type ListedEvent = {
  readonly _id: string;
  readonly dataset: string;
  readonly timestamp: string;
  readonly eventType: string;
  readonly sequence: number;
  readonly event: Readonly<Record<string, unknown>>;
};

export type EventsPage = {
  readonly profile: Identity;
  readonly events: readonly ListedEvent[];
  /** Asks for the next page; null: this is the last. */
  readonly next: string | null;
  readonly shard: number;
  /** The message of the shard's log up to which all pages of this list go. */
  readonly sequence: number;
  /** The shard's time, as of which events are past their time to live. */
  readonly time: string;
  /** Why the list may lack events. */
  readonly missing?: string;
};
