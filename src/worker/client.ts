// What commands and tests need of a running root: its streams, its meta data, its workers. Composed here; the commands see no NATS.
import { randomUUID } from 'node:crypto';
import { VisageError } from '../base/errors.ts';
import { compilePlan } from '../definitions/compile_plan.ts';
import { parseDefinitionsDocument } from '../definitions/load_definitions.ts';
import type { Settings } from '../definitions/settings.ts';
import type { Plan } from '../aggregate/plan.ts';
import { encodeControl, type ClockMode } from '../message/control.ts';
import type { LogMessage } from '../message/log_message.ts';
import { topologyOf, type Topology } from '../message/subject.ts';
import type { EventsQuery, ExplainQuery, ExportAnswer, ProfileQuery, WorkerStatus } from '../ports/reads.ts';
import type { EraseAccepted, EraseQuery } from '../ports/erase_service.ts';
import type { LogReader, StreamState } from '../ports/log.ts';
import { createProducer, type ProducerOptions } from '../producer/create_producer.ts';
import type { Producer } from '../producer/producer.ts';
import type { EventsPage } from '../profile/events_page.ts';
import type { Explanation, FieldExplanation } from '../profile/explanation.ts';
import type { ProfileView } from '../profile/view.ts';
import { openConnection, type Connection } from '../nats/connection.ts';
import { knownEraseHash, type EraseHash } from './erase_secret.ts';
import { questions } from './questions.ts';
import { openMetaBucket, type MetaBucket } from '../stream/meta_bucket.ts';
import { nextOrEnd } from '../stream/next_or_end.ts';
import { PartitionReader } from '../stream/partition_reader.ts';
import { logState, openShardLog, streamState } from '../stream/shard_log.ts';
import { answerOf, jetstreamManagerOf, stampOf } from '../stream/streams.ts';

const SETTLE_MS_MAX = 60_000;
const SETTLE_POLL_MS = 50;
/** How often an export begins again at a shard that began anew. */
const CUTS_MAX = 3;

export type Client = {
  readonly nc: Connection;
  readonly topology: Topology;
  readonly meta: MetaBucket;
  readonly partitions: number;
  readonly clock: ClockMode;
  close(): Promise<void>;
  /** Undefined: no such profile. @throws VisageError from the worker, `no_worker`, or `not_allowed` */
  profile(query: ProfileQuery): Promise<ProfileView | undefined>;
  /** Of a computed attribute. As `profile`. */
  explain(query: ExplainQuery): Promise<Explanation | undefined>;
  /** Of a computed attribute or a field of the records. As `profile`. */
  why(query: ExplainQuery): Promise<Explanation | FieldExplanation | undefined>;
  /** A page of the events that count for a profile. As `profile`. */
  events(query: EventsQuery): Promise<EventsPage | undefined>;
  status(): Promise<WorkerStatus>;
  /** Asks for an erasure; `jobOf` in erase_jobs.ts tells how far it is. @throws VisageError from the worker, or `no_worker` */
  erase(query: EraseQuery): Promise<EraseAccepted>;
  /** By which an erased identity is called; undefined: nobody had been erased when the client was opened. */
  readonly hashOf?: EraseHash;
  /** A producer on this connection. */
  producer(options?: Pick<ProducerOptions, 'retryForMs' | 'maxInFlight' | 'maxQueued' | 'onWaiting'>): Promise<Producer>;
  /** Every profile, shard by shard, as of one cut per shard's log. `onCut` hears each shard's cut; `policy`: what records are merged by. */
  exportProfiles(
    onCut?: (shard: number, sequence: number) => void,
    policy?: string,
  ): AsyncGenerator<{ view: ProfileView; text: string }>;
  /** Messages of one shard's log in order, up to `through` (default: the log's end now). */
  readLog(shard: number, through?: number): AsyncGenerator<LogMessage>;
  /** Messages of the changes or dead stream. `from`: start, or only what comes from now on. Ends at `until`, or never. */
  readStream(
    stream: 'changes' | 'dead',
    options: { from: 'start' | 'now'; until: 'now' | 'never'; filter?: string; signal?: AbortSignal },
  ): AsyncGenerator<LogMessage>;
  /** One message of a stream; undefined: it is not there, or no longer. */
  message(stream: 'log' | 'dead', sequence: number): Promise<LogMessage | undefined>;
  /** What the log has of one dataset after a sequence, all shards in the log's order, up to its end now. */
  readDataset(dataset: string, after: number): AsyncGenerator<LogMessage>;
  /** Under the event clock: moves every shard's time at least this far. @throws VisageError `append_failed` (retry) */
  moveTime(timeMs: number): Promise<void>;
  streamState(stream: 'log' | 'changes' | 'dead'): Promise<StreamState>;
  /** When the first message that the log has was stored. */
  logBeginningMs(): Promise<number>;
  /** By shard: the sequence at which the last generation of its state began; 0: it is the first. */
  generationStarts(): Promise<readonly number[]>;
  plan(hash: string): Promise<Plan>;
};

/** Connects to a root that was set up. @throws VisageError `no_connection`, `not_authorized`, `tls_failed`, `server_too_old`, `not_set_up`, `not_allowed` */
export async function openClient(settings: Settings, name: string): Promise<Client> {
  const topology = topologyOf(settings.root);
  const nc = await openConnection(settings.nats, name);
  try {
    const meta = await openMetaBucket(nc, topology);
    const hashOf = await knownEraseHash(meta).catch(withoutRight);
    const known = { nc, topology, meta, partitions: await meta.partitions(), clock: await meta.clock() };
    return client({ ...known, ...(hashOf && { hashOf }) });
  } catch (error) {
    await nc.close();
    throw error;
  }
}

/** The secret is for those who verify: to read profiles nobody needs it. */
function withoutRight(error: unknown): undefined {
  if (!(error instanceof VisageError) || error.code !== 'not_allowed') throw error;
}

function client(of: Pick<Client, 'nc' | 'topology' | 'meta' | 'partitions' | 'clock' | 'hashOf'>): Client {
  const { nc, topology, meta, partitions, clock, hashOf } = of;
  const names = { log: topology.logStream, changes: topology.changesStream, dead: topology.deadStream };
  const { ask, reads } = questions(nc, topology.root);
  const lastSequences = (): Promise<number[]> =>
    Promise.all(
      Array.from({ length: partitions }, async (_, shard) =>
        (await openShardLog({ nc, reading: nc, topology, shard })).lastForShard(),
      ),
    );
  const state = async (stream: 'log' | 'changes' | 'dead'): Promise<StreamState> =>
    stream === 'log' ? logState(nc, topology) : streamState(await jetstreamManagerOf(nc), names[stream]);
  const readerOf = (stream: string, filter: string, after: number) => (): Promise<LogReader> =>
    PartitionReader.open({ nc, stream, filter, after });
  async function* read(
    open: () => Promise<LogReader>,
    { after, through, signal }: { readonly after: number; readonly through: number; readonly signal?: AbortSignal },
  ): AsyncGenerator<LogMessage> {
    if (through <= after) return;
    const reader = await open();
    const abort = (): void => void reader.close();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      for (;;) {
        const batch = await nextOrEnd(reader, through);
        if (batch === null) return;
        for (const message of batch) {
          if (message.sequence > through) return;
          yield message;
          if (message.sequence === through) return;
        }
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      await reader.close();
    }
  }
  return {
    nc,
    topology,
    meta,
    partitions,
    clock,
    close: () => nc.close(),
    ...reads,
    explain: async (query) => (await ask<Explanation | null>('explain', query)) ?? undefined,
    why: reads.explain,
    erase: (query) => ask<EraseAccepted>('erase', query),
    ...(hashOf && { hashOf }),
    producer: (options) => createProducer({ ...options, connection: nc, root: topology.root, partitions }),
    async *exportProfiles(onCut, policy) {
      await settled(reads.status, clock === 'event' ? await lastSequences() : null);
      const id = randomUUID();
      const body = encodeControl({ kind: 'cut', id });
      for (let shard = 0; shard < partitions; shard++) {
        const log = await openShardLog({ nc, reading: nc, topology, shard });
        const ofShard = (after: string): Promise<ExportAnswer> => ask<ExportAnswer>('export', { shard, cut: id, after, policy });
        // a shard that began anew has passed the cut without opening it
        const first = await again(CUTS_MAX, 'no_such_export', async () => {
          await log.append('cut', body);
          return ofShard('');
        });
        for (let after: string | null = ''; after !== null;) {
          const page: ExportAnswer = after === '' ? first : await ofShard(after);
          if (after === '') onCut?.(shard, page.sequence);
          for (const text of page.profiles) yield { view: JSON.parse(text) as ProfileView, text };
          after = page.next;
        }
      }
    },
    async *readLog(shard, through) {
      const log = await openShardLog({ nc, reading: nc, topology, shard });
      yield* read(() => log.open(0), { after: 0, through: through ?? (await log.lastForShard()) });
    },
    async *readStream(stream, options) {
      const now = (await state(stream)).lastSequence;
      const { filter = '>', signal } = options;
      const after = options.from === 'start' ? 0 : now;
      const through = options.until === 'now' ? now : Infinity;
      yield* read(readerOf(names[stream], filter, after), { after, through, ...(signal && { signal }) });
    },
    async message(stream, sequence) {
      const question = (await jetstreamManagerOf(nc)).streams.getMessage(names[stream], { seq: sequence });
      const found = await answerOf(`message ${sequence} of ${names[stream]}`, question);
      return found === null ? undefined : logMessageOf(found);
    },
    async *readDataset(dataset, after) {
      const { lastSequence } = await state('log');
      const filter = `${topology.root}.log.*.in.${dataset}.>`;
      yield* read(readerOf(topology.logStream, filter, after), { after, through: lastSequence });
    },
    async moveTime(timeMs) {
      const body = encodeControl({ kind: 'tick', timeMs });
      for (let shard = 0; shard < partitions; shard++)
        await (await openShardLog({ nc, reading: nc, topology, shard })).append('tick', body);
    },
    streamState: state,
    logBeginningMs: async () => stampOf(String((await (await jetstreamManagerOf(nc)).streams.info(names.log)).state.first_ts)),
    generationStarts: () =>
      Promise.all(
        Array.from({ length: partitions }, async (_, shard) => {
          const log = await openShardLog({ nc, reading: nc, topology, shard });
          return (await log.generations()).at(-1)?.sequence ?? 0;
        }),
      ),
    plan: async (hash) => compilePlan(parseDefinitionsDocument(await meta.definitions(hash))),
  };
}

/** One message may make work for many that follow: under the event clock it may move time by months, and definitions that are added
 *  to come to every profile. Waits for the end of that, so that an export shows every profile as of one instant and one revision; a
 *  shard that does not get there is shown as it is.
 *  @param lasts under the event clock: up to where each shard must have read */
async function settled(status: () => Promise<WorkerStatus>, lasts: readonly number[] | null): Promise<void> {
  const endMs = Date.now() + SETTLE_MS_MAX;
  while (Date.now() < endMs) {
    const { shards } = await status();
    const isBusy = shards.some(
      ({ shard, activating, expiring, readThrough }) =>
        activating === true || (lasts !== null && (expiring === true || Number(readThrough ?? Infinity) < (lasts[shard] ?? 0))),
    );
    if (!isBusy) return;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
  }
}

/** Tries again where it fails with this code, so many times in all. */
async function again<T>(times: number, code: string, act: () => Promise<T>): Promise<T> {
  for (let left = times; ; left--) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof VisageError) || error.code !== code || left <= 1) throw error;
    }
  }
}

type StoredMessage = {
  readonly seq: number;
  readonly subject: string;
  readonly timestamp: string;
  readonly data: Uint8Array;
  /** Read when it is asked for: the server stores any bytes as headers, and reading them may fail. */
  readonly header: Iterable<[string, string[]]>;
};

function logMessageOf(stored: StoredMessage): LogMessage {
  return {
    sequence: stored.seq,
    stampMs: stampOf(stored.timestamp),
    subject: stored.subject,
    body: stored.data,
    headers: () => Object.fromEntries([...stored.header].map(([name, values]) => [name, values.join(', ')])),
  };
}
