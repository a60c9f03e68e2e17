// The demo's producer: publishes, many at once, and counts what the log has acknowledged.
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

export class Feed {
  published = 0;
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

  private count(message: Message, { shard, sequence }: Sent): void {
    this.published++;
    if (!message.valid) this.invalid++;
    else if (message.duplicate) this.duplicates++;
    else this.expected.set(message.id, (this.expected.get(message.id) ?? 0) + 1);
    this.last.set(shard, Math.max(this.last.get(shard) ?? 0, sequence));
  }
}
