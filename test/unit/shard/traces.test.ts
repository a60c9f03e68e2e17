// Traces in change events: whose they are, and that they are shown and no more.
import { expect, test } from 'vitest';
import type { LogMessage } from '../../../src/message/log_message.ts';
import { CommitBuilder } from '../../../src/shard/commit_builder.ts';
import { CommitEncoder } from '../../../src/shard/commit_encoder.ts';
import { FoldRun, LogWriter, planWith } from './fold_run.ts';

const PLAN = planWith({
  spend: { function: 'sum', value: 'event.price', window: 'lifetime' },
  spend1h: { function: 'sum', value: 'event.price', window: { sliding: '1h' } },
});
const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 1);
const trace = (n: number): string => `00-${String(n).padStart(32, '0')}-00f067aa0ba902b7-01`;

type Event = {
  readonly subject: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly data: { readonly cause: readonly { readonly kind: string }[] };
};

const traced = (message: LogMessage, n: number, more: object = {}): LogMessage => ({
  ...message,
  headers: () => ({ traceparent: trace(n), ...more }),
});

/** The change events of one commit over these messages, and the shard's digest after them. */
function committed(messages: readonly LogMessage[]): { readonly events: readonly Event[]; readonly digest: number } {
  const run = new FoldRun(PLAN, Infinity);
  const encoder = new CommitEncoder({ logStream: 'VISAGE_LOG', root: 'visage', shard: 0, generation: 1, repeatedThrough: 0 });
  const start = { sequence: 0, ordinal: -1, message: null, count: 0, digest: 0, plan: PLAN, foldVersion: 5 };
  const builder = new CommitBuilder({ sourceLength: encoder.source.length, start });
  for (const message of messages) builder.add(run.apply(message).changes, 0, message, run.fold.plan, 5);
  const text = encoder.encode(builder.take()!);
  return { events: JSON.parse(text.toString()) as Event[], digest: run.fold.recorder.digest };
}

function logOf(...write: readonly ((log: LogWriter) => LogMessage)[]): LogMessage[] {
  const log = new LogWriter();
  return [log.definitions(PLAN, START), ...write.map((each) => each(log))];
}
const buy =
  (id: string, n: number, atMs = START) =>
  (log: LogWriter): LogMessage =>
    log.event(id, { _id: `e-${n}`, timestamp: new Date(atMs).toISOString(), price: 1 }, atMs);

test('an event has the trace of its cause; one without has none', () => {
  const [first, one, other] = logOf(buy('ada', 1), buy('bob', 2));
  const { events } = committed([first!, traced(one!, 1, { tracestate: 'vendor="x"' }), other!]);
  expect(events.map(({ subject, traceparent, tracestate }) => [subject, traceparent, tracestate])).toEqual([
    ['customerId:ada', trace(1), 'vendor="x"'],
    ['customerId:bob', undefined, undefined],
  ]);
});

test('of several causes the first that has one counts', () => {
  const [first, ...messages] = logOf(buy('ada', 1), buy('ada', 2), buy('ada', 3), buy('ada', 4));
  const { events } = committed([first!, messages[0]!, traced(messages[1]!, 2), traced(messages[2]!, 3), messages[3]!]);
  expect(events.map(({ traceparent, data }) => [traceparent, data.cause.length])).toEqual([[trace(2), 4]]);
});

test('who leaves a window because a message came by has nothing to do with its trace', () => {
  const [first, one, later] = logOf(buy('ada', 1), buy('bob', 2, START + 2 * HOUR));
  const run = new FoldRun(PLAN, Infinity);
  for (const message of [first!, one!]) run.apply(message);
  const start = { sequence: 2, ordinal: -1, message: null, count: 0, digest: 0, plan: PLAN, foldVersion: 5 };
  const builder = new CommitBuilder({ sourceLength: 30, start });
  builder.add(run.apply(traced(later!, 7)).changes, 0, traced(later!, 7), PLAN, 5);
  const found = builder.take()!.events.map(({ key, causes, trace: found }) => [key, causes[0]!.kind, found?.parent]);
  expect(found).toEqual([
    ['customerId.bob', 'event', trace(7)],
    ['customerId.ada', 'expiry', undefined],
  ]);
});

test('the digest that a replay is held to knows nothing of traces', () => {
  const messages = logOf(buy('ada', 1), buy('bob', 2));
  const with_ = messages.map((message, n) => (n === 0 ? message : traced(message, n, { tracestate: 'a=1' })));
  expect(committed(with_).digest).toBe(committed(messages).digest);
});
