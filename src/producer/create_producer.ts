// Opens a producer: its connection, and what it must know of the root.
import { Kvm, type KvEntry } from '@nats-io/kv';
import { nuid, PermissionViolationError, type NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { topologyOf } from '../message/subject.ts';
import { connectWith, type ConnectOptions } from '../nats/connect_options.ts';
import type { Naming } from './choose_identity.ts';
import type { Encoding } from './message_body.ts';
import { namingOf, Priorities, type StoredDefinitions } from './priorities.ts';
import { NatsProducer, type Producer } from './producer.ts';

export type ProducerOptions = ConnectOptions & {
  /** Used instead of one of its own; `close` leaves it open. */
  readonly connection?: NatsConnection;
  /** Default: visage */
  readonly root?: string;
  /** Priority of each namespace, 1 is the highest. Default: those of the live definitions (needs the right to read the meta bucket). With
   *  these and `partitions` the bucket is not read: identities come from the identityMap alone, and wrong operations are not told before sending. */
  readonly namespaces?: Readonly<Record<string, number>>;
  /** Default: read from the meta bucket. */
  readonly partitions?: number;
  /** How objects are written; they come to the same. Default: json */
  readonly encoding?: Encoding;
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
 *  @throws VisageError `no_connection`, `not_authorized`, `tls_failed`, `bad_login`, `unreadable_file`, `server_too_old`, `not_set_up`, `not_allowed`,
 *  `bad_root`, `bad_option` */
export async function createProducer(options: ProducerOptions = {}): Promise<Producer> {
  const topology = topologyOf(options.root ?? 'visage');
  for (const name of ['partitions', 'maxInFlight', 'maxQueued', 'retryForMs'] as const) refuseBadNumber(name, options[name]);
  const { encoding = 'json' } = options;
  if (encoding !== 'json' && encoding !== 'msgpack')
    throw new VisageError('bad_option', 'encoding is json or msgpack', { kind: 'usage' });
  if (options.connection?.isClosed() === true)
    throw new VisageError('no_connection', 'the connection that was given is closed', { kind: 'usage' });
  const nc = options.connection ?? (await connectWith(options, 'visage producer'));
  let producer: NatsProducer | undefined;
  try {
    const known = await read(nc, topology.metaBucket, options);
    producer = new NatsProducer({
      nc,
      ownsConnection: options.connection === undefined,
      root: topology.root,
      ...known,
      encoding,
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
    const get = await keyReader(nc, bucket);
    stored = (await get('partitions'))?.string();
    const learn = (): Promise<Naming | null> => liveNaming(get, given);
    priorities = new Priorities(await learn(), learn);
  } catch (cause) {
    if (isDenied(cause)) throw notAllowed(bucket, given !== null, cause);
    throw notSetUp(bucket, errorText(cause), cause);
  }
  if (stored === undefined) throw notSetUp(bucket, 'it does not say the number of partitions');
  return { partitions: partitions ?? Number(stored), priorities };
}

type KeyReader = (key: string) => Promise<KvEntry | null>;

/** Through the leader; where that is denied (the right is for all keys at once) by a direct get, whose right is for one key. */
async function keyReader(nc: NatsConnection, bucket: string): Promise<KeyReader> {
  const kvm = new Kvm(nc);
  const leader = await kvm.open(bucket);
  const direct = await kvm.open(bucket, { allow_direct: true });
  return (key) =>
    leader.get(key).catch((cause: unknown) => {
      if (!isDenied(cause)) throw cause;
      return direct.get(key);
    });
}

/** The client throws it itself, or wraps it. */
function isDenied(thrown: unknown): boolean {
  let at = thrown;
  while (at instanceof Error && !(at instanceof PermissionViolationError)) at = at.cause;
  return at instanceof PermissionViolationError;
}

function notAllowed(bucket: string, partitionsOnly: boolean, cause: unknown): VisageError {
  const give = partitionsOnly ? '`partitions`' : '`partitions` and `namespaces`';
  const text = `this user may not read the bucket ${bucket}; its permissions must allow that, or give ${give}`;
  return new VisageError('not_allowed', text, { cause, kind: 'usage' });
}

function notSetUp(bucket: string, why: string, cause?: unknown): VisageError {
  return new VisageError(
    'not_set_up',
    `the bucket ${bucket} cannot be read (${why}): run 'visage setup' first, or give \`partitions\` and \`namespaces\``,
    { cause },
  );
}

/** @param priorities those that were given: they hold in place of the definitions', and are all there is where those may not be read */
async function liveNaming(get: KeyReader, priorities: ReadonlyMap<string, number> | null): Promise<Naming | null> {
  let live: Naming | null = null;
  try {
    const hash = (await get('definitions.live'))?.string();
    const document = hash === undefined ? undefined : await get(`definitions.${hash}`);
    live = document == null ? null : namingOf(document.json<StoredDefinitions>());
  } catch (cause) {
    if (priorities === null || !isDenied(cause)) throw cause;
  }
  return priorities === null ? live : { namespaces: priorities, datasets: live?.datasets ?? new Map() };
}
