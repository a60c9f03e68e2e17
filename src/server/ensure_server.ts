// A server to work with: the one NATS_URL names, else one of our own. Boundary: this room's find and start.
// E1: a server that was not started here is never stopped here.
import { type FindOptions, findServerBinary } from './find_server.ts';
import { type RunningServer, startServer, type StartOptions } from './start_server.ts';

export type EnsureOptions = StartOptions & Pick<FindOptions, 'cacheDirectory' | 'env'>;

export interface EnsuredServer {
  readonly url: string;
  /** The server that was started here; undefined if NATS_URL named one. */
  readonly started: RunningServer | undefined;
  /** Stops it if it was started here. */
  stop(): Promise<void>;
}

/** The server of NATS_URL if that is set, else a new one on `storeDirectory`.
 *  @throws VisageError `no_server` · `server_failed` · `server_store_busy` */
export async function ensureServer(options: EnsureOptions): Promise<EnsuredServer> {
  const env = options.env ?? process.env;
  const url = env['NATS_URL'];
  if (url !== undefined && url !== '') return { url, started: undefined, stop: async () => undefined };
  const binary =
    options.binary ?? (await findServerBinary({ cacheDirectory: options.cacheDirectory, env, log: options.log })).path;
  const started = await startServer({ ...options, binary });
  return { url: started.url, started, stop: () => started.stop() };
}
