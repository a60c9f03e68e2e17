// One arm, in a process of its own. Prints one JSON line.
//   drain: ordered no-op reader · parse: + JSON.parse · echo: + one published JSON message per event
//   memory: the fold with the memory store and no sink · worker: the whole shard: fold, LMDB, commits, final checkpoint included
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInbox } from '@nats-io/transport-node';
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { Plan } from '../src/aggregate/plan.ts';
import { compilePlan } from '../src/definitions/compile_plan.ts';
import { loadDefinitionsFile } from '../src/definitions/load_definitions.ts';
import { shardLogPrefix, topologyOf } from '../src/message/subject.ts';
import type { ChangeSink, DeadLetterSink } from '../src/ports/change_sink.ts';
import type { ShardMeter, WorkerMeter } from '../src/ports/metrics.ts';
import { ALL_CHANGES, type ProfileStore } from '../src/ports/profile_store.ts';
import { newShardMeter, newWorkerMeter } from '../src/shard/metering.ts';
import { NO_ERASURES } from '../src/shard/resolve_erase.ts';
import { Shard } from '../src/shard/shard.ts';
import { LmdbStore } from '../src/store/lmdb_store.ts';
import { MemoryStore } from '../src/store/memory_store.ts';
import { openChangeSink } from '../src/stream/change_sink.ts';
import { openConnection, PLAIN } from '../src/nats/connection.ts';
import { openDeadLetters } from '../src/stream/dead_letters.ts';
import { PartitionReader } from '../src/stream/partition_reader.ts';
import { openShardLog } from '../src/stream/shard_log.ts';
import { jetstreamManagerOf } from '../src/stream/streams.ts';
import { nodeClock } from '../src/worker/node_clock.ts';
import { scraped, stopMetering } from './metered.ts';
import { exportState } from './stored_state.ts';
import { DEFINITIONS, PARTITIONS } from './world.ts';

const ACK_EVERY = 64;
const ECHO_IN_FLIGHT = 8_000;

type Parameters = {
  readonly url: string;
  /** Root whose log is read. */
  readonly root: string;
  /** Root whose change stream is written: a new one per run. */
  readonly out: string;
  /** Where its state goes; emptied first. */
  readonly folder: string;
  /** A folder with the state to start from. */
  readonly startFrom?: string;
  /** A restart: the folder has the state of an earlier run, whose change stream is kept. */
  readonly goOn?: boolean;
  /** The out streams are an earlier run's: what it emitted is not emitted again. */
  readonly outExists?: boolean;
  /** Keep the out streams: another run goes on with them. */
  readonly keepOut?: boolean;
  /** Keep the folder: it is another run's start. */
  readonly keep?: boolean;
  readonly exportTo?: string;
  readonly cacheBytes?: number;
  /** Path of the definitions; default: those of the benches. The log may name others. */
  readonly definitions?: string;
  /** Payloads are not checked against their schemas. */
  readonly unchecked?: boolean;
  /** Default: counted, and nobody asks. */
  readonly metrics?: 'off' | 'scraped';
};

const arm = process.argv[2]!;
const parameters = JSON.parse(process.argv[3]!) as Parameters;
const nats = { ...PLAIN, servers: [parameters.url] };
const reading = await openConnection(nats, `bench ${arm} read`);
const publishing = await openConnection(nats, `bench ${arm} publish`);
const topology = topologyOf(parameters.root);
const jsm = await jetstreamManagerOf(publishing);

async function lastOf(shard: number): Promise<number> {
  return await (await openShardLog({ nc: publishing, reading, topology, shard })).lastForShard();
}

async function makeOut(subject: string, name: string): Promise<void> {
  await jsm.streams.add({
    name,
    subjects: [subject],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    allow_direct: true,
  });
}

type Measured = { readonly seconds: number; readonly cpuSeconds: number; readonly rssBytes: number };

function stopClock(startMs: number, cpu: NodeJS.CpuUsage): Measured {
  const used = process.cpuUsage(cpu);
  return {
    seconds: (performance.now() - startMs) / 1000,
    cpuSeconds: (used.user + used.system) / 1e6,
    rssBytes: process.memoryUsage().rss,
  };
}

function report(events: number, measured: Measured, more: Record<string, number> = {}): void {
  console.log(JSON.stringify({ events, ...measured, ...more }));
}

async function readArm(): Promise<void> {
  const out = topologyOf(parameters.out);
  if (arm === 'echo') await makeOut(`${parameters.out}.echo.*`, out.changesStream);
  const lasts = await Promise.all(Array.from({ length: PARTITIONS }, (_, shard) => lastOf(shard)));
  const decoder = new TextDecoder();
  let events = 0;
  let echoed = 0;
  let acknowledged = 0;
  let waiting: (() => void)[] = [];
  const inbox = createInbox();
  publishing.subscribe(inbox, {
    callback: () => {
      acknowledged++;
      for (const wake of waiting) wake();
      waiting = [];
    },
  });
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  const readShard = async (shard: number): Promise<void> => {
    const reader = await PartitionReader.open({
      nc: reading,
      stream: topology.logStream,
      filter: `${shardLogPrefix(parameters.root, shard)}>`,
      after: 0,
    });
    const subject = `${parameters.out}.echo.${shard}`;
    for (let at = 0; at < lasts[shard]!;) {
      const batch = await reader.next();
      for (const message of batch!.messages) {
        at = message.sequence;
        events++;
        if (arm === 'drain') continue;
        let body: Record<string, unknown>;
        try {
          body = JSON.parse(decoder.decode(message.body)) as Record<string, unknown>;
        } catch {
          continue; // the invalid share, and control messages
        }
        if (arm !== 'echo') continue;
        // one in ACK_EVERY asks for an acknowledgement: enough to never run ahead of the server, and the count at the end proves the rest
        if (++echoed % ACK_EVERY === 0) publishing.publish(subject, JSON.stringify(body), { reply: inbox });
        else publishing.publish(subject, JSON.stringify(body));
        while (echoed - acknowledged * ACK_EVERY > ECHO_IN_FLIGHT) await new Promise<void>((resolve) => waiting.push(resolve));
      }
    }
    await reader.close();
  };
  await Promise.all(lasts.map((_, shard) => readShard(shard)));
  if (arm === 'echo') {
    const deadlineMs = performance.now() + 30_000;
    while ((await jsm.streams.info(out.changesStream)).state.messages < echoed) {
      if (performance.now() > deadlineMs) throw new Error('the server lost echoed messages');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
  report(events, stopClock(startMs, cpu));
  if (arm === 'echo') await jsm.streams.delete(out.changesStream);
}

const nullSink = (): ChangeSink => {
  let sequence = 0;
  return {
    last: () => Promise.resolve(undefined),
    state: () => Promise.resolve({ created: '', firstSequence: 0, lastSequence: 0 }),
    publish: () => Promise.resolve({ kind: 'committed', streamSequence: ++sequence }),
  };
};
const nullLetters: DeadLetterSink = { send: () => Promise.resolve(), close: () => undefined };

async function shardArm(): Promise<void> {
  const full = arm === 'worker';
  const out = topologyOf(parameters.out);
  if (parameters.goOn !== true) rmSync(parameters.folder, { recursive: true, force: true });
  mkdirSync(parameters.folder, { recursive: true });
  if (parameters.startFrom !== undefined) cpSync(parameters.startFrom, parameters.folder, { recursive: true });
  if (full && parameters.outExists !== true) {
    await makeOut(`${parameters.out}.changes.*`, out.changesStream);
    await makeOut(`${parameters.out}.dead.*.*`, out.deadStream);
  }
  const compiled = compilePlan(loadDefinitionsFile(parameters.definitions ?? DEFINITIONS));
  const plan = parameters.unchecked === true ? withoutChecks(compiled) : compiled;
  const shards: Shard[] = [];
  if (parameters.metrics === 'off') stopMetering();
  const scraping = parameters.metrics === 'scraped' ? scraped(shards) : undefined;
  const workerMeter = scraping?.metrics.meter ?? newWorkerMeter();
  const meters = Array.from({ length: PARTITIONS }, (_, shard) => scraping?.metrics.life(shard).meter ?? newShardMeter());
  for (const [shard, meter] of meters.entries()) shards.push(await openShard({ shard, plan, meter, workerMeter }));
  const bases = await Promise.all(
    shards.map(async (shard) => {
      await shard.restore();
      return shard.status().applied;
    }),
  );
  const lasts = await Promise.all(shards.map((_, shard) => lastOf(shard)));
  const before = shards.reduce((sum, shard) => sum + messagesOf(shard), 0);
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  scraping?.start();
  await Promise.all(
    shards.map(async (shard, i) => {
      const running = shard.run(() => undefined);
      if (bases[i]! < lasts[i]!) await shard.reads.reached(lasts[i]!, 600_000);
      await shard.stop();
      await running;
    }),
  );
  const applySeconds = (performance.now() - startMs) / 1000;
  const events = shards.reduce((sum, shard) => sum + messagesOf(shard), 0) - before;
  const figures = {
    applySeconds,
    changes: shards.reduce((sum, shard) => sum + shard.status().changes, 0),
    profiles: shards.reduce((sum, shard) => sum + shard.status().profiles, 0),
    counted: meters.reduce((sum, { eventsApplied }) => sum + eventsApplied, 0),
  };
  if (full) await Promise.all(shards.map((shard) => shard.drain()));
  const measured = stopClock(startMs, cpu);
  scraping?.stop();
  const outMessages = full ? (await jsm.streams.info(out.changesStream)).state.messages : 0;
  report(events, measured, { ...figures, outMessages });
  if (parameters.exportTo !== undefined) await exportState(parameters.folder, plan, parameters.exportTo);
  if (!full) return;
  if (parameters.keepOut !== true) {
    await jsm.streams.delete(out.changesStream);
    await jsm.streams.delete(out.deadStream);
  }
  if (parameters.keep !== true) rmSync(parameters.folder, { recursive: true, force: true });
}

type Opening = { readonly shard: number; readonly plan: Plan; readonly meter: ShardMeter; readonly workerMeter: WorkerMeter };

async function openShard({ shard, plan, meter, workerMeter }: Opening): Promise<Shard> {
  const full = arm === 'worker';
  const out = topologyOf(parameters.out);
  const definitions = { load: () => Promise.resolve(), planOf: () => plan };
  const store: ProfileStore = full ? LmdbStore.open(join(parameters.folder, `shard-${shard}`)) : new MemoryStore();
  if (parameters.startFrom !== undefined) await forgetCommits(store);
  const log = await openShardLog({ nc: publishing, reading, topology, shard });
  return new Shard({
    root: parameters.root,
    logStream: topology.logStream,
    shard,
    partitions: PARTITIONS,
    clockMode: 'log',
    owner: `bench-${process.pid}`,
    clock: nodeClock,
    log: { ...log, append: () => Promise.resolve(0) },
    sink: full ? await openChangeSink({ nc: publishing, topology: out, shard }) : nullSink(),
    deadLetters: full ? openDeadLetters({ nc: publishing, topology: out, shard }) : nullLetters,
    store,
    definitions,
    meter,
    workerMeter,
    cacheMaxBytes: (parameters.cacheBytes ?? 512 * 1024 ** 2) / PARTITIONS,
    tickMs: 100,
    commitIntervalMs: 10,
    commitRefreshMs: Infinity,
    checkpointIntervalMs: full ? 2_000 : 1e9,
    checkpointMaxDirty: full ? 20_000 : 1e9,
    maxClockJumpMs: 600_000,
    logGap: 'halt',
    gapThrough: 0,
    adopted: null,
    erasures: NO_ERASURES,
    onErase: () => undefined,
    onWarning: () => undefined,
    generation: null,
  });
}

function withoutChecks(plan: Plan): Plan {
  const datasets = new Map([...plan.admission.datasets].map(([name, rule]) => [name, { ...rule, check: null }]));
  return { ...plan, admission: { ...plan.admission, datasets } };
}

/** A copied state goes on with a change stream of its own. */
async function forgetCommits(store: ProfileStore): Promise<void> {
  const checkpoint = await store.beginCheckpoint();
  await checkpoint.commit({
    ...store.readMeta()!,
    changesCreated: '',
    commitStreamSequence: 0,
    commitPosition: { sequence: 0, ordinal: ALL_CHANGES },
  });
}

function messagesOf(shard: Shard): number {
  const status = shard.status();
  return status.events + status.duplicates + status.refused;
}

if (arm === 'worker' || arm === 'memory') await shardArm();
else await readArm();
process.exit(0);
