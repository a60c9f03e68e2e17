// Connections to NATS: one way to open them, and one place that refuses a server too old.
// CN1: a server older than 2.11 is refused: it would silently ignore headers and settings that we rely on.
// CN2: no error and no log line shows a secret; addresses hold none, because the client would ignore it there.
import {
  AuthorizationError,
  connect,
  createInbox,
  UserAuthenticationExpiredError,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { authenticatorOf, readOrExplain, type Login } from './login.ts';

export type NatsSettings = Login & {
  readonly servers: readonly string[];
  /** Answers come to subjects below it. */
  readonly inboxPrefix: string;
  readonly tls: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null };
};

/** A server without users and without TLS. */
export const PLAIN: Omit<NatsSettings, 'servers'> = {
  credentials: null,
  tokenFile: null,
  user: null,
  passwordFile: null,
  inboxPrefix: '_INBOX',
  tls: { ca: null, cert: null, key: null },
};

/** A connection, for rooms that pass it on and never use it. */
export type Connection = NatsConnection;

const OLDEST = [2, 11] as const;
const CONNECT_MS = 4_000;

/** Opens a connection that reconnects for ever, with what the files of its login hold by then. `name` shows in the server's connection list.
 *  @throws VisageError `no_connection` (retry) · `not_authorized` · `tls_failed` · `server_too_old` · `no_jetstream` · `unreadable_file` ·
 *  `bad_login` (usage) */
export async function openConnection(settings: NatsSettings, name: string): Promise<NatsConnection> {
  if (settings.servers.some((address) => address.includes('@')))
    throw new VisageError(
      'bad_login',
      'an address in nats.servers holds a user or a token; give nats.user and nats.passwordFile, or nats.tokenFile',
      {
        kind: 'usage',
      },
    );
  const options: NodeConnectionOptions = {
    servers: [...settings.servers],
    name,
    inboxPrefix: settings.inboxPrefix,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true, // by default two in a row end it: credentials that are being rotated, or expired, come back
    reconnectTimeWait: 250,
    // by default 20 s: so long a client waits for a server that was killed between the connection and its first word
    timeout: CONNECT_MS,
    noAsyncTraces: true, // a stack trace per request costs more than the request
    pingInterval: 10_000,
    maxPingOut: 2,
  };
  const authenticator = authenticatorOf(settings);
  if (authenticator !== undefined) options.authenticator = authenticator;
  const { ca, cert, key } = settings.tls;
  for (const [name, path] of Object.entries(settings.tls)) if (path !== null) readOrExplain(path, `nats.tls.${name}`);
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
    throw notConnected(settings, cause);
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

/** A new subject for answers, where this connection may hear them. */
export function inboxOf(nc: NatsConnection): string {
  const { options } = nc as NatsConnection & { readonly options?: { readonly inboxPrefix?: string } };
  return createInbox(options?.inboxPrefix);
}

function notConnected({ servers, tls }: NatsSettings, cause: unknown): VisageError {
  const where = servers.join(', ');
  const why = reasonOf(cause);
  if (cause instanceof AuthorizationError || cause instanceof UserAuthenticationExpiredError)
    return new VisageError(
      'not_authorized',
      `the NATS server at ${where} refuses this user: ${errorText(cause)}. Are nats.credentials, nats.tokenFile, or nats.user and nats.passwordFile the right ones, and still valid?`,
      { cause },
    );
  const isSecure = tls.ca !== null || tls.cert !== null;
  const code = why instanceof Error ? ((why as NodeJS.ErrnoException).code ?? '') : ''; // a closed TLS socket may say nothing at all
  if (/TLS|SSL|CERT|certificate|'tls'/i.test(`${code} ${errorText(why)}`)) {
    // what follows the semicolon is Node's advice to change how it is started
    const [said] = errorText(why).split(';');
    const look = isSecure
      ? 'Are nats.tls.ca, nats.tls.cert and nats.tls.key right for this server?'
      : 'Give its authority in nats.tls.ca';
    return new VisageError('tls_failed', `TLS with the NATS server at ${where} failed: ${said}. ${look}`, { cause });
  }
  // a server says nothing to a client whose certificate it refuses: the handshake is over by then
  const orRefused = isSecure ? ', and does it take the certificate in nats.tls.cert?' : '?';
  return new VisageError(
    'no_connection',
    `cannot connect to NATS at ${where}: ${errorText(cause)}. Is the server running there${orRefused}`,
    {
      cause,
      kind: 'retry',
    },
  );
}

/** What was at the bottom of it: the client says `connection refused` of many a thing. */
function reasonOf(thrown: unknown): unknown {
  let at = thrown;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at;
}
