// The change events of one shard, for those who look at its profiles.
// SC1: who goes on from a position reads by a reader of their own until that is where the shared one is, and hands over there: nothing is
//      missed, nothing comes twice.
// SC2: a position from which nothing can be promised is said to be lost, never passed over.
// SC3: a reader is open while somebody is a member, and no longer.
import { setTimeout as delay } from 'node:timers/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { VisageError } from '../base/errors.ts';
import { identityName, type Identity } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import { changesSubject, type Topology } from '../message/subject.ts';
import type { ChangeListener, ChangeSubscription, LostWhy } from '../ports/changes.ts';
import type { LogReader, StreamState } from '../ports/log.ts';
import { eventsIn, mentions, subjectBytes } from './change_commits.ts';
import { behind, isBefore, positionText, whyLost, type ChangePlace, type StreamPosition } from './change_position.ts';
import { nextOrEnd } from './next_or_end.ts';
import { PartitionReader } from './partition_reader.ts';
import { streamState } from './shard_log.ts';
import type { Turns } from './turns.ts';

/** With more profiles than this, parsing a commit is cheaper than looking for each of them. */
const SUBJECTS_MAX = 64;
const OPEN_MS_MAX = 8_000;
/** Who does not get a turn in this time is let go, and comes again. */
const TURN_MS_MAX = 60_000;

/** One who looks at a profile. */
export class Subscriber {
  readonly subject: string;
  readonly bytes: Buffer;
  readonly listener: ChangeListener;
  gone = false;
  isLive = false;
  /** What comes before it was seen. */
  place: ChangePlace = { sequence: 0, index: 0 };

  constructor(identity: Identity, listener: ChangeListener) {
    this.subject = identityName(identity);
    this.bytes = subjectBytes(identity);
    this.listener = listener;
  }
}

type ShardChangesOptions = {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly topology: Topology;
  readonly shard: number;
  /** For those who have missed something. */
  readonly turns: Turns;
  readonly onEnd: () => void;
  readonly onDefect: (error: unknown) => void;
};

export class ShardChanges {
  private readonly options: ShardChangesOptions;
  private readonly opened: Promise<void>;
  /** All of them, also those who read what they have missed. */
  private readonly members = new Set<Subscriber>();
  /** Those whom the shared reader serves, by the subject of their profile. */
  private readonly live = new Map<string, Set<Subscriber>>();
  private reader: LogReader | undefined;
  private created = '';
  /** What the shard has up to this sequence of the stream was handed out. */
  private through = 0;
  private ended = false;

  constructor(options: ShardChangesOptions) {
    this.options = options;
    this.opened = this.open();
    this.opened.catch(() => this.end()); // who joins hears why
  }

  /** @throws VisageError `unavailable` (retry) */
  async join(subscriber: Subscriber, from: StreamPosition | undefined): Promise<ChangeSubscription> {
    this.members.add(subscriber);
    try {
      await this.opened;
      if (this.ended)
        throw new VisageError('unavailable', 'the change stream is not read any more; try again', { kind: 'retry' });
    } catch (error) {
      this.leave(subscriber);
      throw error;
    }
    if (from === undefined) {
      subscriber.place = this.now;
      this.goLive(subscriber);
    } else void this.resume(subscriber, from);
    const position = (): string | undefined => (subscriber.isLive ? this.positionOf(subscriber) : undefined);
    return {
      get position() {
        return position();
      },
      close: () => this.leave(subscriber),
    };
  }

  /** Ends everybody's events, and the reader. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.options.onEnd();
    void this.reader?.close();
    for (const subscriber of this.members) this.letGo(subscriber);
    this.members.clear();
    this.live.clear();
  }

  private async open(): Promise<void> {
    const { created, lastSequence } = await this.state();
    this.created = created;
    this.through = lastSequence;
    const reader = await this.openReader(lastSequence);
    if (this.ended) return reader.close();
    this.reader = reader;
    void this.run(reader);
  }

  private state(): Promise<StreamState> {
    return streamState(this.options.jsm, this.options.topology.changesStream);
  }

  /** @throws VisageError `unavailable` (retry) when the server does not give one in time */
  private async openReader(after: number): Promise<LogReader> {
    const { nc, topology, shard } = this.options;
    const filter = changesSubject(topology.root, shard);
    const opening = PartitionReader.open({ nc, stream: topology.changesStream, filter, after });
    const late = new AbortController();
    try {
      const given = await Promise.race([opening, delay(OPEN_MS_MAX, undefined, { signal: late.signal })]);
      if (given !== undefined) return given;
    } finally {
      late.abort();
    }
    void opening.then(
      (reader) => reader.close(),
      () => undefined,
    );
    throw new VisageError('unavailable', 'the change stream cannot be read; try again', { kind: 'retry' });
  }

  private async run(reader: LogReader): Promise<void> {
    try {
      for (let batch = await reader.next(); batch !== null; batch = await reader.next())
        for (const message of batch.messages) this.handOut(message);
    } catch (error) {
      this.report(error);
    }
    this.end();
  }

  private handOut(message: LogMessage): void {
    const { live } = this;
    this.through = message.sequence;
    if (live.size === 0 || (live.size <= SUBJECTS_MAX && !mentions(message, subjectsOf(live)))) return;
    const events = eventsIn(message);
    for (const [index, event] of events.entries()) {
      const to = live.get(event.subject);
      if (to === undefined) continue;
      const text = JSON.stringify(event);
      const after = behind(message.sequence, index, events.length);
      for (const subscriber of to) this.give(subscriber, text, { sequence: message.sequence, index }, after);
    }
  }

  /** @param at where the event is   @param after what comes next */
  private give({ place, listener }: Subscriber, text: string, at: ChangePlace, after: ChangePlace): void {
    if (!isBefore(at, place)) listener.change(text, positionText(this.created, after));
  }

  private get now(): ChangePlace {
    return { sequence: this.through + 1, index: 0 };
  }

  /** Who came from a worker that is ahead of this one is ahead of the shared reader. */
  private positionOf({ place }: Subscriber): string {
    return positionText(this.created, isBefore(this.now, place) ? place : this.now);
  }

  private goLive(subscriber: Subscriber): void {
    subscriber.isLive = true;
    const others = this.live.get(subscriber.subject);
    if (others === undefined) this.live.set(subscriber.subject, new Set([subscriber]));
    else others.add(subscriber);
  }

  private leave(subscriber: Subscriber): void {
    subscriber.gone = true;
    this.members.delete(subscriber);
    const others = this.live.get(subscriber.subject);
    others?.delete(subscriber);
    if (others?.size === 0) this.live.delete(subscriber.subject);
    if (this.members.size === 0) this.end();
  }

  private letGo(subscriber: Subscriber): void {
    if (subscriber.gone) return;
    subscriber.gone = true;
    subscriber.listener.end();
  }

  private async resume(subscriber: Subscriber, from: StreamPosition): Promise<void> {
    try {
      let why = whyLost(from, await this.state());
      if (why === undefined) {
        subscriber.place = from.place;
        why = await this.options.turns.run(TURN_MS_MAX, () => this.catchUp(subscriber));
      }
      if (why === undefined || subscriber.gone) return;
      subscriber.place = this.now;
      this.goLive(subscriber);
      subscriber.listener.lost(why, this.positionOf(subscriber));
    } catch (error) {
      this.report(error);
      this.letGo(subscriber);
      this.leave(subscriber);
    }
  }

  /** @returns why it cannot be; undefined: the subscriber is where the shared reader is, or gone */
  private async catchUp(subscriber: Subscriber): Promise<LostWhy | undefined> {
    if (subscriber.gone || this.isCaughtUp(subscriber)) return undefined;
    const reader = await this.openReader(subscriber.place.sequence - 1);
    try {
      // what the stream has lost before there was a consumer is passed over in silence
      if (subscriber.place.sequence < (await this.state()).firstSequence) return 'aged_out';
      for (;;) {
        const { through } = this;
        const messages = await nextOrEnd(reader, through);
        if (subscriber.gone) return undefined;
        for (const message of messages ?? []) {
          this.catchUpOn(message, subscriber);
          await subscriber.listener.drained(); // what waits for somebody is bounded, also when much was missed
          if (subscriber.gone) return undefined;
        }
        if (messages === null && subscriber.place.sequence <= through) subscriber.place = { sequence: through + 1, index: 0 };
        if (this.isCaughtUp(subscriber)) return undefined;
        if (messages === null) break;
      }
    } finally {
      void reader.close();
    }
    return this.catchUp(subscriber); // what comes now may go to the question that was given up: another reader asks
  }

  /** SC1: in one turn of the loop with what was read last. */
  private isCaughtUp(subscriber: Subscriber): boolean {
    if (subscriber.place.sequence <= this.through) return false;
    this.goLive(subscriber);
    return true;
  }

  private catchUpOn(message: LogMessage, subscriber: Subscriber): void {
    const { sequence } = message;
    const events = mentions(message, [subscriber.bytes]) ? eventsIn(message) : [];
    for (const [index, event] of events.entries())
      if (event.subject === subscriber.subject)
        this.give(subscriber, JSON.stringify(event), { sequence, index }, behind(message.sequence, index, events.length));
    subscriber.place = { sequence: sequence + 1, index: 0 };
  }

  private report(error: unknown): void {
    if (!(error instanceof VisageError)) this.options.onDefect(error);
  }
}

function* subjectsOf(live: ReadonlyMap<string, ReadonlySet<Subscriber>>): Iterable<Buffer> {
  for (const [first] of live.values()) if (first !== undefined) yield first.bytes;
}
