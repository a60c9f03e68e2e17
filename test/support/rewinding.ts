// What an operator's streams can suffer: a copy of an earlier day put back, a stream deleted and made again.
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import type { World } from './world.ts';

let copies = 0;

function streamFolder({ server }: World, stream: string): string {
  return join(server.storeDirectory, 'jetstream', '$G', 'streams', stream);
}

/** Keeps a copy of streams as they are now; the returned function puts it back. No server may run then. */
export async function copyOf(world: World, ...streams: string[]): Promise<() => Promise<void>> {
  const copy = join(world.folder, `copy-${++copies}`);
  for (const stream of streams) await cp(streamFolder(world, stream), join(copy, stream), { recursive: true });
  return async () => {
    for (const stream of streams) {
      await rm(streamFolder(world, stream), { recursive: true });
      await cp(join(copy, stream), streamFolder(world, stream), { recursive: true });
    }
  };
}

export async function recreate(world: World, stream: string): Promise<void> {
  const jsm = await jetstreamManagerOf(await world.connect());
  const { config } = await jsm.streams.info(stream);
  await jsm.streams.delete(stream);
  await jsm.streams.add(config);
}
