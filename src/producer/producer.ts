// Messages into the log: many on their way, each answered for, memory bounded.
// PD1: at most `maxInFlight` are sent and not answered, at most `maxQueued` wait; more are refused at once (`queue_full`).
// PD2: each `send` settles once, and every message is in the log, sure to be outside of it, or `unknown` (see flight.ts).
import type { NatsConnection } from '@nats-io/transport-node';
import { VisageError } from '../base/errors.ts';
import { identityKey, partitionOf, type Identity } from '../message/identity.ts';
import { inputSubject, topologyOf } from '../message/subject.ts';
import { chooseIdentity } from './choose_identity.ts';
import type { Delivery, Sent } from './delivery.ts';
import { Flight, type WaitingCode } from './flight.ts';
import { LogRoom } from './log_room.ts';
import type { Priorities } from './priorities.ts';
import { contentTypeOf, encodeBody, headersOf, readBody, sizeOf, type Body, type Encoding } from './message_body.ts';
import { kindHeaders, needsNoBody, type MessageKind } from './message_kind.ts';

export type SendOptions = MessageKind & {
  /** Who the message is about; default: chosen by the priority of namespaces from its identityMap and from the fields that its dataset's
   *  schema says hold identities. */
  readonly identity?: Identity;
  /** Default: one of the producer's own. Never the event's `_id`: message ids are remembered per stream. */
  readonly messageId?: string;
  /** `traceparent` and `tracestate` (W3C Trace Context) come out at the change event that the message causes. */
  readonly headers?: Readonly<Record<string, string>>;
};

export interface Producer {
  /** Sends one message; resolves when the log has stored it. Bytes are JSON or MessagePack, and are not copied: leave them alone until then.
   *  `null`: no body, for deletes. `dataset`: `_profile` for the whole profile (operation `delete` or `erase`).
   *  @throws VisageError (refuse) `no_identity`, `ambiguous_identity`, `unknown_namespace`, `bad_identity`, `malformed`, `too_large`,
   *    `refused`: the log says no, and nobody knows whether the next message fares better · (retry) `unknown`: it may be stored or not, `log_full`, `unavailable`, `queue_full`: await `ready` ·
   *    `not_allowed`, `not_set_up`, `closed`, `no_priorities`, `bad_dataset`, `bad_header`, `bad_operation` */
  send(dataset: string, body: object | string | Uint8Array | null, options?: SendOptions): Promise<Sent>;
  /** Resolves when a message would be sent at once: the back-pressure of loops that do not await each `send`. */
  ready(): Promise<void>;
  /** Resolves when everything sent so far has succeeded or failed. */
  flush(): Promise<void>;
  readonly inFlight: number;
  readonly queued: number;
  /** Why nothing goes out at the moment, or only slowly, for people; null when it does. */
  readonly waitingFor: string | null;
  /** The same, for programs: `log_full`, `unavailable` (the server, or the way to it), `slow` (the log is nearly full). */
  readonly waitingCode: WaitingCode | null;
  /** Takes no more messages, flushes for at most `retryForMs`, then closes the connection if it is the producer's own. */
  close(): Promise<void>;
}

export type ProducerSetup = {
  readonly nc: NatsConnection;
  readonly ownsConnection: boolean;
  readonly root: string;
  readonly partitions: number;
  readonly priorities: Priorities;
  readonly encoding: Encoding;
  /** Unlike that of any other producer: message ids begin with it. */
  readonly nonce: string;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  readonly retryForMs: number;
  readonly attemptMs: number;
  readonly onWaiting: (why: string | null) => void;
};

/** How soon it looks again whether it is still slow. */
const LOOK_AGAIN_MS = 500;

export class NatsProducer implements Producer {
  private readonly setup: ProducerSetup;
  private readonly flight: Flight;
  private readonly room: LogRoom;
  private queue: Delivery[] = [];
  private head = 0;
  private lastId = 0;
  private maxPayload = Infinity;
  /** How many wait to learn the priorities of namespaces: not queued yet. */
  private learners = 0;
  private closing: Promise<void> | undefined;
  private closed = false;
  private pumping: NodeJS.Immediate | undefined;
  /** Until the log's room lets the next message go, or until that is no longer told. */
  private pacing: NodeJS.Timeout | undefined;
  private readyWaiters: (() => void)[] = [];
  private flushWaiters: { readonly id: number; readonly resolve: () => void }[] = [];

  constructor(setup: ProducerSetup) {
    this.setup = setup;
    this.room = new LogRoom(setup.nc, topologyOf(setup.root).logStream);
    this.flight = new Flight({
      ...setup,
      onRoom: () => {
        this.wakeFlushed();
        this.pumpSoon();
      },
      onEnd: () => this.end(),
    });
  }

  /** @throws VisageError `not_allowed` */
  async open(): Promise<void> {
    await Promise.all([this.flight.open(), this.room.lookAgain(performance.now())]);
  }

  get inFlight(): number {
    return this.flight.size;
  }

  get queued(): number {
    return this.queue.length - this.head;
  }

  get waitingFor(): string | null {
    return this.flight.waitingFor;
  }

  get waitingCode(): WaitingCode | null {
    return this.flight.waitingCode;
  }

  async send(dataset: string, given: Body | null, options: SendOptions = {}): Promise<Sent> {
    const { setup } = this;
    if (this.closed || this.closing !== undefined) throw new VisageError('closed', 'the producer is closed', { kind: 'usage' });
    if (options.identity === undefined) setup.priorities.lookAgain(dataset);
    const { reading } = setup.priorities;
    if (reading !== undefined) {
      if (this.learners + this.queued >= setup.maxQueued) throw this.queueFull();
      this.learners++;
      await reading; // here, not in a function: `flush` and later sends go on in the order in which they came to wait
      this.learners--;
      if (this.closed) throw this.neverSent();
    }
    const { known } = setup.priorities;
    const kind = kindHeaders(dataset, options, known);
    const body = given ?? noBody(options);
    const identity = options.identity ?? chooseIdentity(readBody(body), dataset, known);
    const subject = inputSubject(setup.root, dataset, identity);
    const bytes = encodeBody(body, setup.encoding);
    const id = this.lastId + 1;
    const headers = headersOf(
      { ...contentTypeOf(bytes, options.headers), ...options.headers, ...kind },
      options.messageId ?? `${setup.nonce}-${id}`,
    );
    const size = sizeOf(bytes, headers);
    this.refuseTooLarge(size);
    if (this.queued >= setup.maxQueued) this.pump(); // this turn's messages have not gone out yet
    if (this.queued >= setup.maxQueued) throw this.queueFull();
    this.lastId = id;
    const shard = partitionOf(identityKey(identity), setup.partitions);
    const attempts = { firstSentMs: 0, lastSentMs: 0, retryAtMs: 0, unclear: false, lastRefusal: undefined };
    return new Promise((resolve, reject) => {
      this.queue.push({
        id,
        subject,
        body: bytes,
        headers,
        size: size + subject.length,
        shard,
        identity,
        resolve,
        reject,
        ...attempts,
      });
      this.pumpSoon();
    });
  }

  ready(): Promise<void> {
    if (this.closed || this.free > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.readyWaiters.push(resolve);
      this.pumpSoon(); // nothing else may come by when it is only the log's room that is waited for
    });
  }

  async flush(): Promise<void> {
    const { reading } = this.setup.priorities;
    if (reading !== undefined) await reading; // those that wait for it have no id yet
    const id = this.lastId;
    if (this.oldestId > id) return;
    await new Promise<void>((resolve) => this.flushWaiters.push({ id, resolve }));
  }

  close(): Promise<void> {
    return (this.closing ??= this.finish());
  }

  private neverSent(): VisageError {
    return new VisageError('closed', 'the producer was closed before the message was sent', { kind: 'retry' });
  }

  private queueFull(): VisageError {
    const text = `${this.setup.maxQueued} messages are waiting already; await ready() before the next send`;
    return new VisageError('queue_full', text, { kind: 'retry' });
  }

  private async finish(): Promise<void> {
    const late = setTimeout(() => this.end(), this.setup.retryForMs);
    await this.flush();
    clearTimeout(late);
    this.end();
    if (this.setup.ownsConnection) await this.setup.nc.close();
  }

  /** How many messages could be sent at once. */
  private get free(): number {
    if (this.flight.blockedBy !== null) return 0;
    return Math.min(this.setup.maxInFlight - this.flight.size, this.room.places(performance.now())) - this.queued;
  }

  /** Is there a message to send, or somebody who would send one? */
  private get isWanted(): boolean {
    return this.queued > 0 || this.readyWaiters.length > 0;
  }

  /** Of the messages that are not settled. */
  private get oldestId(): number {
    return this.flight.oldestId ?? this.queue[this.head]?.id ?? Infinity;
  }

  private refuseTooLarge(size: number): void {
    this.maxPayload = this.setup.nc.info?.max_payload ?? this.maxPayload; // unknown while the connection is down
    if (size > this.maxPayload)
      throw new VisageError('too_large', `the message has ${size} bytes with its headers; the server takes ${this.maxPayload}`, {
        kind: 'refuse',
      });
  }

  /** Once a turn of the event loop, not once a message: what goes out together is one write to the socket. */
  private pumpSoon(): void {
    this.pumping ??= setImmediate(() => {
      this.pumping = undefined;
      this.pump();
    });
  }

  /** Sends what waits, as far as places go. */
  private pump(): void {
    if (this.closed) return;
    const { flight, room, setup } = this;
    const nowMs = performance.now();
    if (this.isWanted) void room.lookAgain(nowMs)?.then(() => this.pumpSoon());
    while (this.head < this.queue.length && flight.blockedBy === null && flight.size < setup.maxInFlight) {
      if (room.waitMs(nowMs) > 0) break;
      const delivery = this.queue[this.head++]!;
      room.took(delivery.size, nowMs);
      flight.launch(delivery);
    }
    if (this.head === this.queue.length || (this.head > 1_000 && this.head * 2 > this.queue.length)) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
    for (let free = this.free; free > 0 && this.readyWaiters.length > 0; free--) this.readyWaiters.shift()!();
    this.keepPace(nowMs);
  }

  /** Comes back when the log's room lets more go, and says that it is slow for as long as it is. */
  private keepPace(nowMs: number): void {
    const { flight, room } = this;
    const waitMs = this.isWanted && flight.blockedBy === null ? room.waitMs(nowMs) : 0;
    if (waitMs > 0) room.held(nowMs);
    const why = room.why(nowMs);
    flight.slowFor(why);
    clearTimeout(this.pacing);
    this.pacing = undefined;
    const againMs = waitMs > 0 ? waitMs : why === null ? Infinity : LOOK_AGAIN_MS;
    if (againMs < Infinity) this.pacing = setTimeout(() => this.pump(), againMs);
  }

  private wakeFlushed(): void {
    if (this.flushWaiters.length === 0) return;
    const { oldestId } = this;
    const waiting = this.flushWaiters.filter(({ id }) => id >= oldestId);
    for (const { id, resolve } of this.flushWaiters) if (id < oldestId) resolve();
    this.flushWaiters = waiting;
  }

  private end(): void {
    if (this.closed) return;
    this.closed = true;
    clearImmediate(this.pumping);
    clearTimeout(this.pacing);
    this.flight.end();
    const waiting = this.queue.slice(this.head);
    this.queue = [];
    this.head = 0;
    for (const { reject } of waiting) reject(this.neverSent());
    for (const wake of this.readyWaiters.splice(0)) wake();
    for (const { resolve } of this.flushWaiters.splice(0)) resolve();
  }
}

function noBody(kind: MessageKind): string {
  if (needsNoBody(kind)) return '';
  throw new VisageError('malformed', 'there is no body; only a delete needs none', { kind: 'refuse' });
}
