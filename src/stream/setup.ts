// The streams and buckets of a root: made when they are missing, else compared, each difference named.
// ST1: nothing that exists is ever changed here: an edit of a live stream re-routes identities or drops data.
import { DiscardPolicy, RetentionPolicy, StorageType, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { Objm } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { formatDuration } from '../base/time.ts';
import type { Topology } from '../message/subject.ts';
import { openMetaBucket } from './meta_bucket.ts';
import { notAllowed } from './permission.ts';
import { ANSWER_MS_MAX, askAgain, jetstreamManagerOf } from './streams.ts';

export type SetupSettings = {
  readonly partitions: number;
  readonly replicas: number;
  readonly clock: 'log' | 'event';
  readonly logMaxAgeMs: number;
  readonly logMaxBytes: number;
  readonly changesMaxAgeMs: number;
  readonly deadMaxAgeMs: number;
  /** After which an entry that is not renewed vanishes. */
  readonly leaseTtlMs: number;
};

export type SetupReport = {
  readonly made: readonly string[];
  readonly kept: readonly string[];
  readonly differences: readonly string[];
};

const SECOND_NS = 1e9;

type Missing = { readonly name: string; readonly what: string; readonly make: () => Promise<unknown> };
type Wanted = Partial<StreamConfig> & { name: string; subjects: string[] };

/** Looks at everything first: when anything differs, nothing is made. @throws VisageError `setup_failed`, `not_allowed` */
export async function setupStreams(nc: NatsConnection, topology: Topology, settings: SetupSettings): Promise<SetupReport> {
  // the first question of all, often asked of a cluster that has just been started: it is electing its leader
  const jsm = await askAgain(() => jetstreamManagerOf(nc, ANSWER_MS_MAX));
  const kept: string[] = [];
  const missing: Missing[] = [];
  const differences: string[] = [];
  for (const wanted of wantedStreams(topology, settings)) {
    const found = await configOf(jsm, wanted.name);
    if (found === undefined) missing.push({ name: wanted.name, what: 'the stream', make: () => jsm.streams.add(wanted) });
    else {
      kept.push(wanted.name);
      differences.push(...compare(found, wanted));
    }
  }
  for (const { name, stream, make } of wantedBuckets(nc, topology, settings)) {
    const found = await configOf(jsm, stream);
    if (found === undefined) {
      missing.push({ name, what: 'the bucket', make });
      continue;
    }
    kept.push(name);
    if (name === topology.leasesBucket)
      differences.push(...compare(found, { name: stream, subjects: found.subjects, max_age: settings.leaseTtlMs * 1e6 }));
  }
  const forLife = { partitions: String(settings.partitions), clock: settings.clock };
  if (kept.includes(topology.metaBucket)) {
    const meta = await openMetaBucket(nc, topology);
    for (const [key, value] of Object.entries(forLife)) {
      const live = await meta.get(key);
      if (live === undefined || live === value) continue;
      differences.push(`${key}: is ${live}, wanted ${value} (it is for life)`);
      // the transform follows from it: one line says it
      if (key === 'partitions') removeWhere(differences, (line) => line.startsWith(`${topology.logStream}.subject_transform: `));
    }
  }
  if (differences.length > 0) return { made: [], kept, differences };
  for (const one of missing) await make(one);
  const meta = await openMetaBucket(nc, topology);
  for (const [key, value] of Object.entries(forLife)) {
    const live = await meta.createOrGet(key, value);
    if (live !== value) differences.push(`${key}: is ${live}, wanted ${value} (it is for life)`); // another setup was faster
  }
  return { made: missing.map(({ name }) => name), kept, differences };
}

function removeWhere(lines: string[], matches: (line: string) => boolean): void {
  const at = lines.findIndex(matches);
  if (at >= 0) lines.splice(at, 1);
}

type WantedBucket = { readonly name: string; readonly stream: string; readonly make: () => Promise<unknown> };

function wantedBuckets(nc: NatsConnection, topology: Topology, { replicas, leaseTtlMs: ttl }: SetupSettings): WantedBucket[] {
  const { leasesBucket, metaBucket, snapshotsBucket } = topology;
  return [
    {
      name: leasesBucket,
      stream: `KV_${leasesBucket}`,
      make: () => new Kvm(nc).create(leasesBucket, { history: 1, ttl, markerTTL: Math.max(1_000, ttl), replicas }),
    },
    { name: metaBucket, stream: `KV_${metaBucket}`, make: () => new Kvm(nc).create(metaBucket, { history: 16, replicas }) },
    {
      name: snapshotsBucket,
      stream: `OBJ_${snapshotsBucket}`,
      make: () => new Objm(nc).create(snapshotsBucket, { max_bytes: -1, replicas, storage: StorageType.File }),
    },
  ];
}

function wantedStreams(topology: Topology, settings: SetupSettings): Wanted[] {
  const { root } = topology;
  const common = {
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    num_replicas: settings.replicas,
    allow_direct: true,
  };
  return [
    {
      ...common,
      name: topology.logStream,
      subjects: [`${root}.in.*.*.*`, `${root}.log.*.ctl.>`],
      subject_transform: {
        src: `${root}.in.*.*.*`,
        dest: `${root}.log.{{partition(${settings.partitions},2,3)}}.in.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}`,
      },
      discard: DiscardPolicy.New,
      max_age: settings.logMaxAgeMs * 1e6,
      max_bytes: settings.logMaxBytes,
      duplicate_window: 120 * SECOND_NS,
    },
    {
      ...common,
      name: topology.changesStream,
      subjects: [`${root}.changes.*`],
      discard: DiscardPolicy.Old,
      max_age: settings.changesMaxAgeMs * 1e6,
      max_bytes: -1,
      max_msgs: -1,
    },
    {
      ...common,
      name: topology.deadStream,
      // the last three catch input with the wrong number of tokens, e.g. an unencoded dot in an id
      subjects: [`${root}.dead.*.*`, `${root}.in.*`, `${root}.in.*.*`, `${root}.in.*.*.*.>`],
      discard: DiscardPolicy.Old,
      max_age: settings.deadMaxAgeMs * 1e6,
    },
  ];
}

/** Making again what was made is no error, as long as it is made the same: the answer may have been lost. */
async function make({ what, name, make }: Missing): Promise<void> {
  try {
    await askAgain(make);
  } catch (cause) {
    throw notAllowed(cause) ?? new VisageError('setup_failed', `cannot make ${what} ${name}: ${errorText(cause)}`, { cause });
  }
}

async function configOf(jsm: JetStreamManager, stream: string): Promise<StreamConfig | undefined> {
  try {
    return (await askAgain(() => jsm.streams.info(stream))).config;
  } catch (error) {
    if (/not found/i.test(errorText(error))) return undefined;
    throw notAllowed(error) ?? new VisageError('setup_failed', `cannot look at ${stream}: ${errorText(error)}`, { cause: error });
  }
}

/** Names every setting of a live stream that is not as wanted. */
export function compare(found: StreamConfig, wanted: Wanted): string[] {
  const differences: string[] = [];
  for (const key of Object.keys(wanted) as (keyof Wanted)[]) {
    const is = JSON.stringify(normal(found[key]));
    const want = JSON.stringify(normal(wanted[key]));
    if (is !== want) differences.push(`${wanted.name}.${key}: is ${readable(key, is)}, wanted ${readable(key, want)}`);
  }
  return differences;
}

function normal(value: unknown): unknown {
  return Array.isArray(value) ? [...(value as unknown[])].sort() : value;
}

function readable(key: string, json: string | undefined): string {
  return key === 'max_age' || key === 'duplicate_window' ? formatDuration(Number(json) / 1e6) : (json ?? 'absent');
}
