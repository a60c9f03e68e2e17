// What comes in over HTTP, into the log: messages, deletes, erasures. Each worker has one, with a producer on a connection of its own, opened
// for the first that comes.
// WS1: a message waits here, not in the producer: what was given to that is on its way, and nobody may take it back. So what is told as
//      `queue_full`, `log_full`, `unavailable` is not in the log.
// WS2: each request has an end in time, whatever the log does. WS3: `close` waits for those under way: each is answered.
// WS4: of one person's records in one request the second goes when the first is in the log, and not at all where that is not sure: a
//      retry must not put the older one on top.
import { setImmediate } from 'node:timers/promises';
import { VisageError } from '../base/errors.ts';
import { formatTime } from '../base/time.ts';
import type { Admission } from '../message/admission.ts';
import { identityKey, type Identity, type IdentityKey } from '../message/identity.ts';
import { PROFILE_TOKEN, type Topology } from '../message/subject.ts';
import type { Connection } from '../nats/connection.ts';
import type { EraseService } from '../ports/erase_service.ts';
import type { Batch, DatasetDeleted, Stored, WriteService, Written } from '../ports/writes.ts';
import { createProducer } from '../producer/create_producer.ts';
import { kindHeaders } from '../producer/message_kind.ts';
import type { Producer } from '../producer/producer.ts';
import { tellDelete } from './delete_dataset.ts';
import { incomingMessage, type Incoming } from './incoming_message.ts';
import { definedDataset, refuseUnknownIdentity, type LiveAdmission } from './live_admission.ts';
import { Late, noPlace, notBefore, ANSWER_MS, settled } from './write_end.ts';

/** On their way at once. */
const PLACES = 1_000;
/** For a place, while none is free. */
const PLACE_MS = 2_000;
/** How long the loop may be held before others have their turn. */
const SLICE_MS = 5;

export type WriteServiceOptions = {
  readonly topology: Topology;
  readonly partitions: number;
  readonly live: LiveAdmission;
  readonly erase: EraseService;
  readonly connect: () => Promise<Connection>;
  readonly pseudonymOf: WriteService['pseudonymOf'];
};

type Opened = { readonly nc: Connection; readonly producer: Producer };

export class Writes implements WriteService {
  private readonly options: WriteServiceOptions;
  private opening: Promise<Opened> | undefined;
  /** One for all that wait, however many come while the log is away: the first that wakes has the place. */
  private place: Promise<void> | undefined;
  private waiting = 0;
  /** Places that somebody has and has not sent into yet. */
  private reserved = 0;
  private readonly underWay = new Set<Promise<unknown>>();
  private closed = false;

  constructor(options: WriteServiceOptions) {
    this.options = options;
  }

  write(batch: Batch): Promise<readonly Written[]> {
    return this.track(async () => {
      const { dataset, identity, operation, lastUpdated } = batch;
      const admission = await this.options.live.with({ dataset, ...(identity && { namespace: identity.namespace }) });
      const { behavior } = definedDataset(admission, dataset);
      if (identity !== undefined) refuseUnknown(admission, identity);
      kindHeaders(dataset, { ...(operation && { operation }), ...(lastUpdated && { lastUpdated }) }, admission);
      const { producer } = await this.opened();
      return this.send(producer, batch, { admission, inTurn: behavior === 'record' });
    });
  }

  deleteProfile(identity: Identity): Promise<Stored> {
    return this.track(async () => {
      identityKey(identity); // a namespace that is no name is said as such
      refuseUnknown(await this.options.live.with({ namespace: identity.namespace }), identity);
      const { producer } = await this.opened();
      const late = new Late();
      try {
        if (!(await this.hasPlace(producer, late))) throw noPlace(producer);
        const sending = this.into(() => producer.send(PROFILE_TOKEN, null, { identity, operation: 'delete' }));
        const written = await settled(sending, late);
        if ('error' in written) throw written.error;
        return written;
      } finally {
        late.clear();
      }
    });
  }

  deleteDataset(dataset: string): Promise<readonly DatasetDeleted[]> {
    return this.track(async () => {
      definedDataset(await this.options.live.with({ dataset }), dataset);
      const { topology, partitions } = this.options;
      const told = await tellDelete({ nc: (await this.opened()).nc, topology, partitions }, dataset);
      return told.map(({ shard, sequence, timeMs }) => ({ shard, sequence, time: formatTime(timeMs) }));
    });
  }

  erase(query: Identity): ReturnType<EraseService['erase']> {
    return this.track(() => this.options.erase.erase(query));
  }

  isDataset(name: string): boolean {
    return this.options.live.isDataset(name);
  }

  pseudonymOf(identity: Identity): ReturnType<WriteService['pseudonymOf']> {
    return this.options.pseudonymOf(identity);
  }

  /** Takes no more; resolves when all that were taken have their answer. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.allSettled(this.underWay);
    await (await this.opening?.catch(() => undefined))?.producer.close();
  }

  private track<T>(act: () => Promise<T>): Promise<T> {
    if (this.closed)
      return Promise.reject(new VisageError('stopped', 'the worker is stopping; try another one', { kind: 'retry' }));
    const acting = act().finally(() => this.underWay.delete(acting));
    this.underWay.add(acting);
    return acting;
  }

  private async opened(): Promise<Opened> {
    this.opening ??= this.open();
    try {
      return await this.opening;
    } catch (cause) {
      this.opening = undefined; // the next one tries again
      if (cause instanceof VisageError && cause.code === 'not_allowed') throw cause;
      throw new VisageError('unavailable', 'the log cannot be reached; try again', { cause, kind: 'retry' });
    }
  }

  private async open(): Promise<Opened> {
    const { connect, topology, partitions } = this.options;
    const nc = await connect();
    // each message says whose it is: nothing has to be read
    const known = { root: topology.root, partitions, namespaces: {} };
    return { nc, producer: await createProducer({ ...known, connection: nc, maxInFlight: PLACES, retryForMs: ANSWER_MS }) };
  }

  private async send(
    producer: Producer,
    batch: Batch,
    { admission, inTurn }: { readonly admission: Admission; readonly inTurn: boolean },
  ): Promise<readonly Written[]> {
    const late = new Late();
    const results: Promise<Written>[] = [];
    const before = new Map<IdentityKey, Promise<Written>>();
    let full: VisageError | undefined;
    /** Resolves when the next one may go; adds what will have become of this one. */
    const launch = async (message: Incoming): Promise<void> => {
      const key = identityKey(message.identity);
      const first = inTurn ? await before.get(key) : undefined;
      if (first !== undefined && 'error' in first && first.error.kind === 'retry')
        return void results.push(Promise.resolve({ error: notBefore(first.error) }));
      if (full === undefined && !(await this.hasPlace(producer, late))) full = noPlace(producer);
      const written =
        full === undefined
          ? settled(
              this.into(() => sendOne(producer, batch, message)),
              late,
            )
          : Promise.resolve({ error: full });
      results.push(written);
      if (inTurn) before.set(key, written);
    };
    try {
      let sliceMs = performance.now();
      for (const text of batch.texts) {
        if (performance.now() - sliceMs > SLICE_MS) {
          await setImmediate();
          sliceMs = performance.now();
        }
        const message = attempt(() => incomingMessage(text, batch, admission));
        if ('error' in message) results.push(Promise.resolve(message));
        else await launch(message);
      }
      return await Promise.all(results);
    } finally {
      late.clear();
    }
  }

  /** Reserves a place, for `into`. False: none is free, and was not for long enough. */
  private async hasPlace(producer: Producer, late: Late): Promise<boolean> {
    const untilMs = performance.now() + Math.min(PLACE_MS, late.placesMs);
    for (;;) {
      const waitMs = untilMs - performance.now();
      if (waitMs <= 0) return false;
      if (producer.waitingCode === null && producer.inFlight + producer.queued + this.reserved < PLACES) break;
      const place = (this.place ??= this.nextPlace(producer));
      this.waiting++;
      const waited = Promise.withResolvers<false>();
      const timer = setTimeout(() => waited.resolve(false), waitMs);
      const isFree = await Promise.race([place.then(() => true), waited.promise]).finally(() => {
        clearTimeout(timer);
        this.waiting--;
      });
      if (!isFree) return false;
      if (this.place === place) {
        this.place = undefined;
        break;
      }
      await setImmediate(); // whoever has it has sent by then
    }
    this.reserved++;
    return true;
  }

  private nextPlace(producer: Producer): Promise<void> {
    const place = producer.ready();
    void place.then(() => {
      if (this.waiting === 0) this.place = undefined; // it is nobody's, and may be gone when the next one comes
    });
    return place;
  }

  /** Sends into the place that was reserved: the producer counts it from this turn on. */
  private into<T>(send: () => Promise<T>): Promise<T> {
    const sending = send();
    this.reserved--;
    return sending;
  }
}

function sendOne(
  producer: Producer,
  { dataset, lastUpdated, trace = {} }: Batch,
  { identity, body, operation }: Incoming,
): Promise<Stored> {
  const kind = { ...(operation && { operation }), ...(lastUpdated && { lastUpdated }) };
  return producer.send(dataset, body, { identity, headers: trace, ...kind });
}

function attempt(act: () => Incoming): Incoming | { readonly error: VisageError } {
  try {
    return act();
  } catch (error) {
    if (error instanceof VisageError) return { error };
    throw error;
  }
}

function refuseUnknown(admission: Admission, identity: Identity): void {
  identityKey(identity);
  refuseUnknownIdentity(admission, identity);
}
