// A TCP proxy whose connections can be cut, or slow.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Transform, type TransformCallback } from 'node:stream';

export interface TcpProxy {
  readonly port: number;
  readonly connections: () => number;
  /** Destroys every connection, both sides, with whatever is in flight. */
  cut(): void;
  /** From now on a connection whose client has these words in what it says first sends so many bytes a second; Infinity: as many as go. */
  limit(words: string, bytesPerSecond: number): void;
  close(): Promise<void>;
}

export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let limited = { words: '', bytesPerSecond: Infinity };
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    keep(near);
    keep(far);
    near.pipe(slowly((first) => (first.includes(limited.words) ? limited.bytesPerSecond : Infinity))).pipe(far);
    far.pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => sockets.size / 2,
    cut,
    limit: (words, bytesPerSecond) => void (limited = { words, bytesPerSecond }),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cut();
      await closed;
    },
  };
}

const SLICE_MS = 20;

/** Passes on as many bytes a second as `rate` says at the moment; what waits here makes the sender wait. */
function slowly(rate: (first: string) => number): Transform {
  let first: string | undefined;
  const pass = (stream: Transform, bytes: Buffer, done: TransformCallback): void => {
    const perSecond = rate((first ??= bytes.toString('latin1')));
    const size = Math.max(1, Math.min(bytes.length, (perSecond * SLICE_MS) / 1000));
    if (size >= bytes.length && perSecond === Infinity) return done(null, bytes);
    stream.push(bytes.subarray(0, size));
    setTimeout(() => (size < bytes.length ? pass(stream, bytes.subarray(size), done) : done()), SLICE_MS);
  };
  return new Transform({
    transform(bytes: Buffer, _, done) {
      pass(this, bytes, done);
    },
  });
}
