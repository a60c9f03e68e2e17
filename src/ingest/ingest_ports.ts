// What ingesting a file needs of the world. Boundary: no NATS here; the command composes these from the client and the producer.
import type { RecordOperation } from '../message/decode.ts';
import type { Identity } from '../message/identity.ts';

/** A producer. @throws VisageError of `send`: see `verdictOf` in ingest_run.ts */
export interface Sender {
  /** Resolves when `send` takes another message. */
  ready(): Promise<void>;
  send(
    dataset: string,
    body: string,
    options: {
      readonly identity: Identity;
      readonly messageId: string;
      readonly operation?: RecordOperation;
      readonly lastUpdated?: string;
    },
  ): Promise<{ readonly sequence: number }>;
  /** Why nothing goes on at the moment, for people; null when it does. */
  readonly waitingFor: string | null;
}

/** One key in KV. */
export interface PositionStore {
  /** Where it is, for messages: `key … of bucket …`. */
  readonly name: string;
  read(): Promise<{ readonly value: string | undefined; readonly revision: number }>;
  /** @throws VisageError `conflict` when the key is no longer at `revision`, `unavailable` (retry) when it may be written or not */
  write(value: string, revision: number): Promise<number>;
}

export interface IngestLog {
  state(): Promise<{ readonly created: string; readonly firstSequence: number; readonly lastSequence: number }>;
  /** The message ids of the dataset's messages after a sequence, up to the log's end now. */
  messageIdsAfter(sequence: number): AsyncIterable<string>;
  /** Under the event clock: moves every shard to this time; null under the log clock. @throws VisageError (retry) */
  readonly moveTime: ((timeMs: number) => Promise<void>) | null;
}
