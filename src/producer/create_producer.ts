// Opens a producer: its connection, and what it must know of the root.
import { Kvm, type KV } from '@nats-io/kv';
import { nuid, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { topologyOf } from '../message/subject.ts';
import { openConnection } from '../nats/connection.ts';
import type { Naming } from './choose_identity.ts';
import { namingOf, Priorities, type StoredDefinitions } from './priorities.ts';
import { NatsProducer, type Producer } from './producer.ts';

export type ProducerOptions = {
  /** Default: nats://127.0.0.1:4222 */
  readonly servers?: string | readonly string[];
  /** Path of a credentials file. */
  readonly credentials?: string;
  /** Paths of PEM files. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Used instead of one of its own; `close` leaves it open. */
  readonly connection?: NatsConnection;
  /** Default: visage */
  readonly root?: string;
  /** How the server lists the connection. */
  readonly name?: string;
  /** Priority of each namespace, 1 is the highest. Default: those of the live definitions (needs the right to read the meta bucket). With
   *  these and `partitions` the bucket is not read: identities come from the identityMap alone, and wrong operations are not told before sending. */
  readonly namespaces?: Readonly<Record<string, number>>;
  /** Default: read from the meta bucket. */
  readonly partitions?: number;
  /** Messages sent and not acknowledged. Default: 1,000 */
  readonly maxInFlight?: number;
  /** Messages that wait for a place. Default: 10,000 */
  readonly maxQueued?: number;
  /** Default: 90,000, three quarters of the log's duplicate window. More can store a message twice. */
  readonly retryForMs?: number;
  /** Hears why nothing goes out, or only slowly, and null when it does again. What it throws is dropped. */
  readonly onWaiting?: (why: string | null) => void;
};

const RETRY_FOR_MS = 90_000;
const ATTEMPT_MS = 5_000;

/** Connects and reads what it needs to know. Cost: five requests.
 *  @throws VisageError `no_connection`, `server_too_old`, `not_set_up`, `not_allowed`, `bad_root`, `bad_option` */
export async function createProducer(options: ProducerOptions = {}): Promise<Producer> {
  const topology = topologyOf(options.root ?? 'visage');
  for (const name of ['partitions', 'maxInFlight', 'maxQueued', 'retryForMs'] as const) refuseBadNumber(name, options[name]);
  if (options.connection?.isClosed() === true)
    throw new VisageError('no_connection', 'the connection that was given is closed', { kind: 'usage' });
  const nc = options.connection ?? (await connect(options));
  let producer: NatsProducer | undefined;
  try {
    const known = await read(nc, topology.metaBucket, options);
    producer = new NatsProducer({
      nc,
      ownsConnection: options.connection === undefined,
      root: topology.root,
      ...known,
      nonce: nuid.next(),
      maxInFlight: options.maxInFlight ?? 1_000,
      maxQueued: options.maxQueued ?? 10_000,
      retryForMs: options.retryForMs ?? RETRY_FOR_MS,
      attemptMs: ATTEMPT_MS,
      onWaiting: options.onWaiting ?? (() => undefined),
    });
    await producer.open();
    return producer;
  } catch (error) {
    await producer?.close(); // a connection that was given lives on: it would keep the inbox and the status watcher
    if (options.connection === undefined) await nc.close();
    throw error;
  }
}

function refuseBadNumber(name: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
    throw new VisageError('bad_option', `${name} must be a whole number of at least 1`, { kind: 'usage' });
}

function connect({ servers = 'nats://127.0.0.1:4222', credentials, tls, name }: ProducerOptions): Promise<NatsConnection> {
  const settings = {
    servers: typeof servers === 'string' ? [servers] : servers,
    credentials: credentials ?? null,
    tls: { ca: tls?.ca ?? null, cert: tls?.cert ?? null, key: tls?.key ?? null },
  };
  return openConnection(settings, name ?? 'visage producer');
}

/** Reads only what was not given: a producer without rights on the bucket gives both. */
async function read(
  nc: NatsConnection,
  bucket: string,
  { namespaces, partitions }: ProducerOptions,
): Promise<{ readonly partitions: number; readonly priorities: Priorities }> {
  const given = namespaces === undefined ? null : new Map(Object.entries(namespaces));
  if (partitions !== undefined && given !== null)
    return { partitions, priorities: new Priorities({ namespaces: given, datasets: new Map() }) };
  let stored: string | undefined;
  let priorities: Priorities;
  try {
    const kv = await new Kvm(nc).open(bucket);
    stored = (await kv.get('partitions'))?.string();
    const learn = (): Promise<Naming | null> => liveNaming(kv, given);
    priorities = new Priorities(await learn(), learn);
  } catch (cause) {
    throw notSetUp(bucket, errorText(cause), cause);
  }
  if (stored === undefined) throw notSetUp(bucket, 'it does not say the number of partitions');
  return { partitions: partitions ?? Number(stored), priorities };
}

function notSetUp(bucket: string, why: string, cause?: unknown): VisageError {
  return new VisageError(
    'not_set_up',
    `the bucket ${bucket} cannot be read (${why}): run 'visage setup' first, or give \`partitions\` and \`namespaces\``,
    { cause },
  );
}

/** @param priorities those that were given: they hold in place of the definitions' */
async function liveNaming(kv: KV, priorities: ReadonlyMap<string, number> | null): Promise<Naming | null> {
  const hash = (await kv.get('definitions.live'))?.string();
  const document = hash === undefined ? undefined : await kv.get(`definitions.${hash}`);
  const live = document == null ? null : namingOf(document.json<StoredDefinitions>());
  return priorities === null ? live : { namespaces: priorities, datasets: live?.datasets ?? new Map() };
}
