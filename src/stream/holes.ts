// What a shard's log lacks: a hole stands in the reader's hands where an erased identity's message was removed, or where one is skipped.
// HO1: holes come in the order of the log, each once, and never where a message still is.
// HO2: what an `erased` message says is in the log before the first message that it names is removed: whoever reads it first, and the
//      log then, misses nothing.
import type { NatsConnection } from '@nats-io/transport-node';
import { encodeControl, parseControl, type ErasedMessage } from '../message/control.ts';
import type { LogMessage } from '../message/log_message.ts';
import { controlSubject, type Topology } from '../message/subject.ts';
import type { LogBatch, LogReader } from '../ports/log.ts';
import { scanStream } from './erasure_scan.ts';

/** Numbers of a hole in an `erased` message. */
const STRIDE = 3;

/** The `erased` messages of one shard's log, or of all (null); none in the usual case, which costs one request.
 *  @throws VisageError `unavailable` (retry), `unknown_control` (stop_shard) */
export async function readErased(
  nc: NatsConnection,
  { root, logStream }: Topology,
  shard: number | null,
): Promise<readonly ErasedMessage[]> {
  const filter = [shard === null ? `${root}.log.*.ctl.erased` : controlSubject(root, shard, 'erased')];
  const found: ErasedMessage[] = [];
  for await (const { body } of scanStream({ nc, stream: logStream, filter })) {
    const control = parseControl('erased', body);
    if (control.kind === 'erased') found.push(control);
  }
  return found;
}

/** The holes of a shard after a sequence, in order, as messages. */
export function holesAfter(erased: readonly ErasedMessage[], subject: string, after: number): readonly LogMessage[] {
  const bySequence = new Map<number, LogMessage>();
  for (const { holes } of erased) {
    for (let i = 0; i < holes.length; i += STRIDE) {
      const [sequence, stampMs, timeMs] = [holes[i]!, holes[i + 1]!, holes[i + 2]!];
      if (sequence <= after) continue;
      const body = encodeControl(timeMs === 0 ? { kind: 'hole' } : { kind: 'hole', timeMs });
      bySequence.set(sequence, { sequence, stampMs, subject, body, headers: null });
    }
  }
  return [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
}

/** The sequences of a shard's log that count for nothing since an operator said so; none in the usual case, which costs one request.
 *  @throws VisageError `unavailable` (retry) */
export async function readSkips(nc: NatsConnection, { root, logStream }: Topology, shard: number): Promise<ReadonlySet<number>> {
  const skipped = new Set<number>();
  for await (const { body } of scanStream({ nc, stream: logStream, filter: [controlSubject(root, shard, 'skip')] })) {
    const control = parseControl('skip', body);
    if (control.kind === 'skip') skipped.add(control.sequence);
  }
  return skipped;
}

/** Puts a hole in the place of each message that is skipped. It has no stamp: one that was stamped by a clock that jumped must not move time. */
export class SkippingReader implements LogReader {
  private readonly inner: LogReader;
  private readonly skipped: ReadonlySet<number>;
  private readonly subject: string;

  constructor(inner: LogReader, skipped: ReadonlySet<number>, subject: string) {
    this.inner = inner;
    this.skipped = skipped;
    this.subject = subject;
  }

  async next(): Promise<LogBatch | null> {
    const batch = await this.inner.next();
    if (batch === null) return null;
    return {
      ...batch,
      messages: batch.messages.map((message) => (this.skipped.has(message.sequence) ? this.hole(message) : message)),
    };
  }

  readThrough(): Promise<number | undefined> {
    return this.inner.readThrough();
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  private hole({ sequence }: LogMessage): LogMessage {
    return { sequence, stampMs: 0, subject: this.subject, body: encodeControl({ kind: 'hole' }), headers: null };
  }
}

/** Where the log really begins, when its first messages were removed: nothing that is not known is missing before.
 *  @param first the first sequence that it has   @param erased of all shards */
export function firstBeforeHoles(first: number, erased: readonly ErasedMessage[]): number {
  const removed = new Set<number>();
  for (const { holes } of erased) for (let i = 0; i < holes.length; i += STRIDE) removed.add(holes[i]!);
  let begin = first;
  while (removed.has(begin - 1)) begin--;
  return begin;
}

/** Puts holes between the messages of a reader. */
export class HoleReader implements LogReader {
  private readonly inner: LogReader;
  private readonly holes: readonly LogMessage[];
  /** How many holes are behind. */
  private passed = 0;

  /** @param holes in order, all after the reader's start; each has a message of the shard somewhere behind it: that of its erasure */
  constructor(inner: LogReader, holes: readonly LogMessage[]) {
    this.inner = inner;
    this.holes = holes;
  }

  async next(): Promise<LogBatch | null> {
    const batch = await this.inner.next();
    if (batch === null || this.passed === this.holes.length) return batch;
    const messages: LogMessage[] = [];
    for (const message of batch.messages) {
      this.takeHoles(message.sequence, messages);
      messages.push(message);
    }
    return { messages, pending: batch.pending + this.holes.length - this.passed };
  }

  readThrough(): Promise<number | undefined> {
    return this.inner.readThrough();
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  private takeHoles(before: number, into: LogMessage[]): void {
    for (let hole = this.holes[this.passed]; hole !== undefined && hole.sequence <= before; hole = this.holes[++this.passed])
      if (hole.sequence < before) into.push(hole); // at it: the message is still there
  }
}
