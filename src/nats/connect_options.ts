// How programs say where NATS is and who they are: the options that a producer and a reader have in common.
import type { NatsConnection } from '@nats-io/transport-node';
import { openConnection, PLAIN } from './connection.ts';

export type ConnectOptions = {
  /** Default: nats://127.0.0.1:4222 */
  readonly servers?: string | readonly string[];
  /** Path of a credentials file. */
  readonly credentials?: string;
  /** Path of a file that holds a token. This, `credentials`, or `user` with `passwordFile`; each file is read again at every reconnect. */
  readonly tokenFile?: string;
  readonly user?: string;
  /** Path of a file that holds the user's password. */
  readonly passwordFile?: string;
  /** Answers come to subjects below it. Default: _INBOX */
  readonly inboxPrefix?: string;
  /** Paths of PEM files. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** How the server lists the connection. */
  readonly name?: string;
};

/** @throws VisageError, see `openConnection` */
export function connectWith(options: ConnectOptions, standardName: string): Promise<NatsConnection> {
  const { servers = 'nats://127.0.0.1:4222', tls, name = standardName, ...login } = options;
  const settings = {
    servers: typeof servers === 'string' ? [servers] : servers,
    credentials: login.credentials ?? PLAIN.credentials,
    tokenFile: login.tokenFile ?? PLAIN.tokenFile,
    user: login.user ?? PLAIN.user,
    passwordFile: login.passwordFile ?? PLAIN.passwordFile,
    inboxPrefix: login.inboxPrefix ?? PLAIN.inboxPrefix,
    tls: { ca: tls?.ca ?? null, cert: tls?.cert ?? null, key: tls?.key ?? null },
  };
  return openConnection(settings, name);
}
