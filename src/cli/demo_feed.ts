// The demo's producer: publishes, many at once, and counts what the log has acknowledged.
import { formatTime, type EpochMs } from '../base/time.ts';
import { PROFILE_TOKEN } from '../message/subject.ts';
import type { Identity } from '../message/identity.ts';
import type { Sent } from '../producer/delivery.ts';
import type { Producer } from '../producer/producer.ts';
import type { Client } from '../worker/client.ts';

const IN_FLIGHT = 256;

export type Message = {
  readonly dataset: string;
  readonly namespace: string;
  readonly id: string;
  readonly body: string;
  readonly valid: boolean;
  readonly duplicate: boolean;
};

/** To a record. `lastUpdatedMs`: without it the log's time. `isDead`: it must come to nothing, because what it says is deleted. */
export type RecordWrite = {
  readonly dataset: string;
  readonly identity: Identity;
  readonly operation: 'create' | 'merge';
  readonly record: object;
  readonly lastUpdatedMs?: EpochMs;
  readonly isDead?: boolean;
};

export class Feed {
  /** Events. */
  published = 0;
  /** Writes to records that must apply, and those that must not. */
  records = 0;
  deadRecords = 0;
  /** Those that must be refused, those that must be dropped as known, and of the others how many of each customer. */
  invalid = 0;
  duplicates = 0;
  readonly expected = new Map<string, number>();
  /** The last sequence of each shard's log that is ours. */
  readonly last = new Map<number, number>();
  private readonly producer: Producer;

  private constructor(producer: Producer) {
    this.producer = producer;
  }

  static async open(client: Client): Promise<Feed> {
    return new Feed(await client.producer({ maxInFlight: IN_FLIGHT }));
  }

  async send(message: Message): Promise<Sent> {
    const sent = await this.producer.send(message.dataset, message.body, { identity: message });
    this.count(message, sent);
    return sent;
  }

  async write({ dataset, identity, operation, record, lastUpdatedMs, isDead }: RecordWrite): Promise<Sent> {
    const when = lastUpdatedMs === undefined ? {} : { lastUpdated: formatTime(lastUpdatedMs) };
    const sent = await this.producer.send(dataset, record, { identity, operation, ...when });
    if (isDead === true) this.deadRecords++;
    else this.records++;
    this.reached(sent);
    return sent;
  }

  async deleteProfile(identity: Identity): Promise<Sent> {
    const sent = await this.producer.send(PROFILE_TOKEN, null, { identity, operation: 'delete' });
    this.reached(sent);
    return sent;
  }

  /** Sends all of them. `onProgress` hears each acknowledgement. */
  async sendAll(messages: Iterator<Message>, onProgress: () => void): Promise<void> {
    const failures: unknown[] = [];
    for (let next = messages.next(); next.done !== true && failures.length === 0; next = messages.next()) {
      await this.producer.ready();
      this.send(next.value).then(onProgress, (error: unknown) => failures.push(error));
    }
    await this.producer.flush();
    if (failures.length > 0) throw failures[0];
  }

  private count(message: Message, sent: Sent): void {
    this.published++;
    if (!message.valid) this.invalid++;
    else if (message.duplicate) this.duplicates++;
    else this.expected.set(message.id, (this.expected.get(message.id) ?? 0) + 1);
    this.reached(sent);
  }

  private reached({ shard, sequence }: Sent): void {
    this.last.set(shard, Math.max(this.last.get(shard) ?? 0, sequence));
  }
}
