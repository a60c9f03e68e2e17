// Listens to the change stream for values that leave their windows.
import { topologyOf } from '../src/message/subject.ts';
import { openConnection, PLAIN } from '../src/nats/connection.ts';
import { PartitionReader } from '../src/stream/partition_reader.ts';
import { streamState } from '../src/stream/shard_log.ts';
import { jetstreamManagerOf } from '../src/stream/streams.ts';

type Change = {
  readonly data: {
    readonly profile: { readonly id: string };
    readonly cause?: readonly { readonly kind: string }[];
    readonly changes: readonly { readonly path: string; readonly after?: unknown }[];
  };
};

export type ExpiryWatch = {
  /** Rejects when the stream cannot be read any more; resolves after `close`. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
};

/** From here on, calls back for every change after which a customer has no orders in the window, which something that left has caused. */
export async function watchExpiries(
  options: { readonly url: string; readonly root: string },
  onExpiry: (id: string, arrivedMs: number) => void,
): Promise<ExpiryWatch> {
  const nc = await openConnection({ ...PLAIN, servers: [options.url] }, 'bench expiry');
  const stream = topologyOf(options.root).changesStream;
  const { lastSequence: after } = await streamState(await jetstreamManagerOf(nc), stream);
  const reader = await PartitionReader.open({ nc, stream, filter: '>', after });
  const decoder = new TextDecoder();
  const read = async (): Promise<void> => {
    for (let batch = await reader.next(); batch !== null; batch = await reader.next()) {
      const arrivedMs = Date.now();
      for (const { body } of batch.messages)
        for (const { data } of JSON.parse(decoder.decode(body)) as Change[])
          if (isExpiry(data)) onExpiry(data.profile.id, arrivedMs);
    }
  };
  const ended = read();
  ended.catch(() => undefined); // whoever waits sees it
  return {
    ended,
    async close() {
      await reader.close();
      await nc.close();
    },
  };
}

function isExpiry({ cause = [], changes }: Change['data']): boolean {
  return (
    cause.some(({ kind }) => kind === 'expiry') && changes.some(({ path, after }) => path === 'computed.orders' && after === 0)
  );
}
