// The demo's producer: publishes, many at once, and counts what the log has acknowledged.
// DF1: a message that got no clear answer is sent again under its message id: the log keeps one.
import { randomBytes } from 'node:crypto';
import { VisageError } from '../base/errors.ts';
import type { Identity } from '../message/identity.ts';
import { publish, type Published } from '../producer/publish.ts';
import type { Client } from '../worker/client.ts';

const IN_FLIGHT = 256;
const TRIES = 5;

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
  private readonly client: Client;
  private readonly nonce = randomBytes(6).toString('hex');
  private sent = 0;

  constructor(client: Client) {
    this.client = client;
  }

  async send(message: Message): Promise<Published> {
    const { client } = this;
    const target = {
      nc: client.nc,
      root: client.topology.root,
      logStream: client.topology.logStream,
      partitions: client.partitions,
    };
    const messageId = `${this.nonce}-${this.sent++}`;
    const identity: Identity = { namespace: message.namespace, id: message.id };
    for (let tries = 1; ; tries++) {
      try {
        const published = await publish(target, message.dataset, identity, message.body, messageId);
        this.count(message, published);
        return published;
      } catch (error) {
        if (!(error instanceof VisageError) || error.kind !== 'retry' || tries === TRIES) throw error;
      }
    }
  }

  /** Sends all of them, IN_FLIGHT at once. `onProgress` hears each acknowledgement. */
  async sendAll(messages: Iterator<Message>, onProgress: () => void): Promise<void> {
    const lane = async (): Promise<void> => {
      for (let next = messages.next(); next.done !== true; next = messages.next()) {
        await this.send(next.value);
        onProgress();
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  }

  private count(message: Message, { shard, sequence }: Published): void {
    this.published++;
    if (!message.valid) this.invalid++;
    else if (message.duplicate) this.duplicates++;
    else this.expected.set(message.id, (this.expected.get(message.id) ?? 0) + 1);
    this.last.set(shard, Math.max(this.last.get(shard) ?? 0, sequence));
  }
}
