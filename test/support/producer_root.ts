// A root of its own for one test of the producer, and what its log holds in the end.
import { expect } from 'vitest';
import type { VisageError } from '../../src/base/errors.ts';
import { topologyOf } from '../../src/message/subject.ts';
import { createProducer, type ProducerOptions } from '../../src/producer/create_producer.ts';
import type { Sent } from '../../src/producer/delivery.ts';
import type { Producer } from '../../src/producer/producer.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import type { Client } from '../../src/worker/client.ts';
import { eventually } from './eventually.ts';
import type { Overrides, World } from './world.ts';

export type Logged = { readonly subject: string; readonly sequence: number; readonly messageId: string; readonly body: string };

export interface ProducerRoot {
  readonly root: string;
  readonly client: Client;
  /** One that the test closes, or `closeAll`. */
  open(options?: ProducerOptions): Promise<Producer>;
  /** Everything in the log but controls. */
  logged(): Promise<Logged[]>;
  /** Removes the messages of the log before a sequence. @param sequence without it all but the last */
  purge(sequence?: number): Promise<void>;
  closeAll(): Promise<void>;
}

/** Roots of one test file, closed together. `world` is asked when a root is made: hooks start it. */
export function producerRoots(world: () => World): {
  root(name: string, overrides?: Overrides): Promise<ProducerRoot>;
  closeRoots(): Promise<void>;
} {
  const roots: ProducerRoot[] = [];
  return {
    async root(name, overrides = {}) {
      const made = await producerRoot(world(), name, overrides);
      roots.push(made);
      return made;
    },
    async closeRoots() {
      for (const made of roots) await made.closeAll();
    },
  };
}

async function producerRoot(world: World, root: string, overrides: Overrides = {}): Promise<ProducerRoot> {
  const all = { root, ...overrides };
  await world.setup(all);
  const client = await world.client(all);
  const jsm = await jetstreamManagerOf(client.nc);
  const { logStream } = topologyOf(root);
  const producers: Producer[] = [];
  return {
    root,
    client,
    async open(options = {}) {
      const producer = await createProducer({ servers: world.server.url, root, retryForMs: 20_000, ...options });
      producers.push(producer);
      return producer;
    },
    async logged() {
      const messages: Logged[] = [];
      await eventually('the reader is connected', () => client.nc.flush().then(() => true));
      for await (const message of client.readDataset('orders', 0)) {
        const { subject, sequence } = message;
        const messageId = message.headers?.()['Nats-Msg-Id'] ?? '';
        messages.push({ subject, sequence, messageId, body: Buffer.from(message.body).toString() });
      }
      return messages;
    },
    async purge(seq) {
      await jsm.streams.purge(logStream, seq === undefined ? { keep: 1 } : { seq });
    },
    async closeAll() {
      for (const producer of producers) await producer.close();
    },
  };
}

export type Sending = {
  /** How many are stored so far. */
  readonly stored: () => number;
  /** What each `send` came to. */
  readonly results: Promise<PromiseSettledResult<Sent>[]>;
};

/** `count` messages, waiting for `ready` before each. */
export function sendMany(producer: Producer, count: number, body = (n: number): string => `{"n":${n}}`): Sending {
  let stored = 0;
  const all = async (): Promise<PromiseSettledResult<Sent>[]> => {
    const sent: Promise<Sent>[] = [];
    for (let n = 0; n < count; n++) {
      await producer.ready();
      const one = producer.send('orders', body(n), { identity: { namespace: 'customerId', id: `c-${n % 97}` } });
      one.then(
        () => stored++,
        () => undefined, // looked at in the end
      );
      sent.push(one);
    }
    return Promise.allSettled(sent);
  };
  return { stored: () => stored, results: all() };
}

/** How often each outcome: `stored`, or the code of the error. */
export const codesOf = (results: readonly PromiseSettledResult<unknown>[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const result of results) {
    const code = result.status === 'fulfilled' ? 'stored' : (result.reason as VisageError).code;
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
};

export const numbers = (count: number, first = 0): string[] => Array.from({ length: count }, (_, n) => `{"n":${first + n}}`);

/** Every one of `bodies` is in the log, once. */
export async function expectOnce({ logged }: Pick<ProducerRoot, 'logged'>, bodies: readonly string[]): Promise<void> {
  const found = (await logged()).map(({ body }) => body);
  expect(found.length).toBe(bodies.length);
  expect(found.sort()).toEqual([...bodies].sort());
}
