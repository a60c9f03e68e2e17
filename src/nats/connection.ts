// Connections to NATS: one way to open them, and one place that refuses a server too old.
// CN1: a server older than 2.11 is refused: it would silently ignore headers and settings that we rely on.
import { readFileSync } from 'node:fs';
import {
  connect,
  credsAuthenticator,
  type Authenticator,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';

export type NatsSettings = {
  readonly servers: readonly string[];
  readonly credentials: string | null;
  readonly tls: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null };
};

/** A connection, for rooms that pass it on and never use it. */
export type Connection = NatsConnection;

const OLDEST = [2, 11] as const;
const CONNECT_MS = 4_000;

/** Opens a connection that reconnects for ever, with what its credentials file holds by then. `name` shows in the server's connection list.
 *  @throws VisageError `no_connection` (retry) · `server_too_old` · `unreadable_file` */
export async function openConnection(settings: NatsSettings, name: string): Promise<NatsConnection> {
  const options: NodeConnectionOptions = {
    servers: [...settings.servers],
    name,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true, // by default two in a row end it: credentials that are being rotated, or expired, come back
    reconnectTimeWait: 250,
    // by default 20 s: so long a client waits for a server that was killed between the connection and its first word
    timeout: CONNECT_MS,
    noAsyncTraces: true, // a stack trace per request costs more than the request
    pingInterval: 10_000,
    maxPingOut: 2,
  };
  if (settings.credentials !== null) options.authenticator = credentialsFrom(settings.credentials);
  const { ca, cert, key } = settings.tls;
  if (ca !== null || cert !== null) {
    options.tls = {
      ...(ca === null ? {} : { caFile: ca }),
      ...(cert === null ? {} : { certFile: cert }),
      ...(key === null ? {} : { keyFile: key }),
    };
  }
  let nc: NatsConnection;
  try {
    nc = await connect(options);
  } catch (cause) {
    throw new VisageError(
      'no_connection',
      `cannot connect to NATS at ${settings.servers.join(', ')}: ${errorText(cause)}. Is the server running there?`,
      {
        cause,
        kind: 'retry',
      },
    );
  }
  const version = nc.info?.version ?? '0.0.0';
  if (!isNewEnough(version)) {
    await nc.close();
    throw new VisageError(
      'server_too_old',
      `the NATS server at ${settings.servers.join(', ')} is version ${version}; Visage needs ${OLDEST.join('.')} or newer`,
    );
  }
  if (nc.info?.jetstream !== true) {
    await nc.close();
    throw new VisageError(
      'no_jetstream',
      `the NATS server at ${settings.servers.join(', ')} has JetStream switched off; start it with -js`,
    );
  }
  return nc;
}

export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/** Reads the file again for each attempt: rotated credentials are in it. What cannot be used just then (a file that is being replaced)
 *  counts as unchanged: the client closes a connection whose authenticator throws.
 *  @throws VisageError `unreadable_file` when it cannot be read the first time */
export function credentialsFrom(path: string): Authenticator {
  let good = credsAuthenticator(readFileOrExplain(path, 'nats.credentials'));
  return (nonce) => {
    try {
      const next = credsAuthenticator(readFileSync(path));
      const auth = next(nonce);
      good = next;
      return auth;
    } catch {
      return good(nonce);
    }
  };
}

function readFileOrExplain(path: string, setting: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new VisageError('unreadable_file', `${setting}: cannot read ${path}`, { cause, kind: 'usage' });
  }
}
