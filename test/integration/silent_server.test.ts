// A server that was killed between a connection and its first word: the client does not wait for that word longer than a few seconds.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { openConnection, type Connection } from '../../src/nats/connection.ts';
import { eventually } from '../support/eventually.ts';
import { startWorld, type World } from '../support/world.ts';

const BACK_MS = 10_000; // by default the client library takes 20 s

let world: World | undefined;
let nc: Connection | undefined;
afterEach(async () => {
  await nc?.close();
  await world?.stop();
});

test('a connection to which nothing is said is given up, and the next one serves', { timeout: 30_000 }, async () => {
  world = await startWorld();
  const { port: serverPort } = world.server;
  const sockets: Socket[] = [];
  const front = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    if (sockets.length === 2) return; // never a word
    const server = connect(serverPort, '127.0.0.1');
    server.on('error', () => socket.destroy());
    socket.on('close', () => server.destroy());
    socket.pipe(server).pipe(socket);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const { port } = front.address() as AddressInfo;
  nc = await openConnection({ ...world.settings().nats, servers: [`nats://127.0.0.1:${port}`] }, 'test');
  sockets[0]!.destroy();
  await eventually('it tries again', () => sockets.length === 2);
  const beganMs = performance.now();
  await eventually('it is back', () => nc!.flush().then(() => true));
  expect([sockets.length, performance.now() - beganMs < BACK_MS]).toEqual([3, true]);
  front.close();
});
