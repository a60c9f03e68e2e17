// Change events of one profile or of all, one after the other, for a program of its own.
// FC1: in the order of the stream; what was seen before is passed over, and an event that does not follow on the last of its profile is an
//      error, never handed out as if nothing were missing.
// FC2: not asking is back-pressure: so much is read ahead as the reader of a partition reads, and no more.
import type { NatsConnection } from '@nats-io/transport-node';
import { VisageError } from '../base/errors.ts';
import { identityKey, identityName, partitionOf, type Identity } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import { changesSubject, type Topology } from '../message/subject.ts';
import type { LostWhy } from '../ports/changes.ts';
import type { LogReader } from '../ports/log.ts';
import { ChangeChain } from '../profile/change_chain.ts';
import type { ChangeEvent, ProfileShape } from '../profile/change_event.ts';
import { eventsIn, mentions, subjectBytes } from './change_commits.ts';
import { behind, isBefore, parsePosition, positionText, whyLost, type ChangePlace } from './change_position.ts';
import { PartitionReader } from './partition_reader.ts';
import { streamState } from './shard_log.ts';
import { jetstreamManagerOf } from './streams.ts';

export type FollowOptions = {
  /** Without it: of every profile. */
  readonly identity?: Identity;
  /** `start`: everything that the stream has; `now` (default): what comes; else a position that was handed out before. */
  readonly from?: string;
};

/** A change event, and the position behind it: going on from there, it is not seen again. */
export type Changed<T extends ProfileShape = ProfileShape> = { readonly event: ChangeEvent<T>; readonly position: string };

export interface ChangeStream<T extends ProfileShape = ProfileShape> extends AsyncIterableIterator<Changed<T>, void> {
  /** Everything before it was handed out, or is not looked for. It moves on where nothing happens, too: store it now and then, so that the
   *  stream does not age past it. */
  readonly position: string;
  /** Whoever waits for the next event learns that there is none. */
  close(): Promise<void>;
}

/** @throws VisageError `bad_identity`, `bad_query` (usage) · `position_lost` (refuse) · `unavailable` (retry) · `no_stream`, `not_allowed` */
export async function followChanges(
  of: {
    readonly nc: NatsConnection;
    readonly topology: Topology;
    readonly partitions: number;
    readonly onEnd: () => void;
  },
  options: FollowOptions,
): Promise<ChangeStream> {
  const { nc, topology, partitions } = of;
  const { identity, from = 'now' } = options;
  const shard = identity === undefined ? '*' : partitionOf(identityKey(identity), partitions);
  const jsm = await jetstreamManagerOf(nc);
  const state = await streamState(jsm, topology.changesStream);
  const place = placeOf(from, state);
  if (typeof place === 'string') throw positionLost(place);
  const filter = changesSubject(topology.root, shard);
  const reader = await PartitionReader.open({ nc, stream: topology.changesStream, filter, after: place.sequence - 1 });
  const now = await streamState(jsm, topology.changesStream);
  // what the stream has lost before there was a consumer is passed over in silence
  if (from !== 'start' && place.sequence < now.firstSequence) {
    await reader.close();
    throw positionLost('aged_out');
  }
  return new Following(reader, { created: state.created, place, identity, onEnd: of.onEnd });
}

function placeOf(from: string, state: Parameters<typeof whyLost>[1]): ChangePlace | LostWhy {
  if (from === 'now') return { sequence: state.lastSequence + 1, index: 0 };
  if (from === 'start') return { sequence: Math.max(1, state.firstSequence), index: 0 };
  const position = parsePosition(from);
  return whyLost(position, state) ?? position.place;
}

function positionLost(why: LostWhy): VisageError {
  const text =
    why === 'aged_out'
      ? 'the change stream may no longer have what came next: read the profiles anew, and go on from now'
      : 'the position is of another change stream: read the profiles anew, and go on from now';
  return new VisageError('position_lost', text, { kind: 'refuse' });
}

class Following implements ChangeStream {
  private readonly reader: LogReader;
  private readonly created: string;
  private readonly wanted: { readonly subject: string; readonly bytes: Buffer } | undefined;
  private readonly onEnd: () => void;
  private readonly chain = new ChangeChain();
  private place: ChangePlace;
  /** What was read and not handed out. */
  private messages: readonly LogMessage[] = [];
  private ready: { readonly event: ChangeEvent; readonly after: ChangePlace }[] = [];
  /** Why nothing is handed out behind what is ready. */
  private broken: VisageError | undefined;
  private ended = false;
  /** Of `next`: they are answered in the order of asking. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    reader: LogReader,
    from: {
      readonly created: string;
      readonly place: ChangePlace;
      readonly identity: Identity | undefined;
      readonly onEnd: () => void;
    },
  ) {
    const { identity } = from;
    this.reader = reader;
    this.created = from.created;
    this.place = from.place;
    this.onEnd = from.onEnd;
    this.wanted = identity === undefined ? undefined : { subject: identityName(identity), bytes: subjectBytes(identity) };
  }

  get position(): string {
    return positionText(this.created, this.place);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Changed, void>> {
    const next = this.last.then(() => this.find());
    this.last = next.catch(() => undefined);
    return next;
  }

  async return(): Promise<IteratorResult<Changed, void>> {
    await this.close();
    return { done: true, value: undefined };
  }

  async close(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    this.onEnd();
    await this.reader.close();
  }

  private async find(): Promise<IteratorResult<Changed, void>> {
    try {
      while (!this.ended) {
        const found = this.ready.shift();
        if (found !== undefined) {
          this.place = found.after;
          return { done: false, value: { event: found.event, position: this.position } };
        }
        if (this.broken !== undefined) throw this.broken;
        await this.read();
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    return { done: true, value: undefined };
  }

  /** The events of the next message. */
  private async read(): Promise<void> {
    const [message, ...rest] = this.messages;
    if (message === undefined) {
      const batch = await this.reader.next();
      if (batch === null) this.ended = true;
      else this.messages = batch.messages;
      return;
    }
    this.messages = rest;
    const { wanted } = this;
    const events = wanted === undefined || mentions(message, [wanted.bytes]) ? eventsIn(message) : [];
    for (const [index, event] of events.entries()) {
      if (wanted !== undefined && event.subject !== wanted.subject) continue;
      if (isBefore({ sequence: message.sequence, index }, this.place)) continue;
      this.take(event, behind(message.sequence, index, events.length));
      if (this.broken !== undefined) return;
    }
    if (this.ready.length === 0) this.place = { sequence: message.sequence + 1, index: 0 };
  }

  private take(event: ChangeEvent, after: ChangePlace): void {
    const follows = this.chain.take(event);
    if (follows === 'next') this.ready.push({ event, after });
    else if (follows === 'broken') {
      const { version, previousVersion } = event.data;
      const at = positionText(this.created, after);
      const text = `the change event of version ${version} (shard ${event.source}) says that it follows on ${previousVersion}, which is not the profile's last one`;
      this.broken = new VisageError('chain_broken', `${text}: read the profile anew, and go on from ${at}`, { kind: 'refuse' });
    }
  }
}
