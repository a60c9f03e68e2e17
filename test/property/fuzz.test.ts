// 50,000 payloads that nobody should send, and some that anybody may, through decode and fold: whatever comes in, nothing breaks, and nobody
// else's profile changes.
// FZ1: what is refused says why, at a place, with a reason of the closed list, and repeats nothing of what came; its dead letter fits.
// FZ2: what is not refused is right: profiles, counts and chains of change events are the oracle's.
import { createHash } from 'node:crypto';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { expect, it } from 'vitest';
import type { Plan } from '../../src/aggregate/plan.ts';
import { seededRandom } from '../../src/base/random.ts';
import { formatTime } from '../../src/base/time.ts';
import { compilePlan } from '../../src/definitions/compile_plan.ts';
import { parseDefinitionsDocument } from '../../src/definitions/load_definitions.ts';
import { splitSubject } from '../../src/message/decode.ts';
import { partitionOf, type IdentityKey } from '../../src/message/identity.ts';
import type { LogMessage } from '../../src/message/log_message.ts';
import { REFUSAL_REASONS } from '../../src/message/refusal.ts';
import { topologyOf } from '../../src/message/subject.ts';
import { ShardOracle } from '../../src/oracle/brute_force.ts';
import { ChainChecker, type ChainEvent } from '../../src/oracle/chain.ts';
import { compareProfile } from '../../src/oracle/compare.ts';
import { CommitBuilder } from '../../src/shard/commit_builder.ts';
import { CommitEncoder } from '../../src/shard/commit_encoder.ts';
import type { DeadLetter, Effects } from '../../src/shard/effects.ts';
import { Fold } from '../../src/shard/fold.ts';
import { openDeadLetters } from '../../src/stream/dead_letters.ts';
import { HOSTILE_DOCUMENT } from '../support/hostile_definitions.ts';
import { hostileMessages, type HostileMessage } from '../support/hostile_messages.ts';
import { SECRET } from '../support/hostile_text.ts';
import { FoldRun, LogWriter, ROOT } from '../unit/shard/fold_run.ts';

const SEED = Number(process.env['VISAGE_SEED'] ?? 20_261_129);
const PARTITIONS = 2;
const START = Date.UTC(2026, 4, 15);
const STEP_MS_MAX = 1_500;
const BYSTANDERS = 40;
const LOOK_EVERY = 250;
/** CPU time: one that takes more has held up the shard. */
const APPLY_MS_MAX = 500;
/** Limits that are met now and then. */
const SMALL = { eventBytes: 4_000, recordBytes: 3_000, dedupeIds: 3, exactEvents: 4 };
const LARGE = { eventBytes: 60_000 };
const MAX_PAYLOAD = 1024 * 1024;
const LETTER_BYTES_MAX = MAX_PAYLOAD - 1024;
const PREFIX = `${ROOT}.log.0.in.`.length;

/** Shard 0 of two, where erasures name an identity by a hash of its key. */
class FuzzRun extends FoldRun {
  static readonly hashOf = (key: IdentityKey): string => createHash('sha256').update(key).digest('hex');
  readonly hashes = new Map<string, IdentityKey>();

  override restart(): void {
    super.restart();
    const { cache, due, clockMode } = this;
    this.fold = new Fold({
      root: ROOT,
      shard: 0,
      partitions: PARTITIONS,
      clockMode,
      cache,
      due,
      planOf: () => PLAN,
      erasures: { hashOf: FuzzRun.hashOf, keyOf: (hash) => this.hashes.get(hash), recordedAt: () => undefined, hasHoles: false },
      from: this.store.readMeta(),
      generation: null,
    });
  }
}

const PLAN: Plan = compilePlan(parseDefinitionsDocument(JSON.stringify(HOSTILE_DOCUMENT)));

function inShard(prefix: string, count: number): string[] {
  const found: string[] = [];
  for (let n = 0; found.length < count; n++)
    if (partitionOf(`customerId.${prefix}-${n}`, PARTITIONS) === 0) found.push(`${prefix}-${n}`);
  return found;
}

/** As the client reads them: it throws at what is none. */
function readHeaders(block: Uint8Array): Readonly<Record<string, string>> {
  const { decode } = headers().constructor as unknown as { decode(block: Uint8Array): MsgHdrs };
  const read: Record<string, string> = {};
  for (const [name, values] of decode(block)) read[name] = values.join(', ');
  return read;
}

/** What readers see of a profile, but for when they look. */
function seen(run: FoldRun, key: IdentityKey): string {
  const { sequence: _, time: __, ...view } = run.view(key)!;
  return JSON.stringify(view);
}

class Letters {
  readonly reasons = new Map<string, number>();
  longest = 0;
  private readonly sink = openDeadLetters({
    nc: {
      info: { max_payload: MAX_PAYLOAD },
      isClosed: () => false,
      request: (subject: string, body: string) => {
        expect(subject).toMatch(/^visage\.dead\.0\.[A-Za-z0-9_-]+$/);
        this.longest = Math.max(this.longest, Buffer.byteLength(body));
        return Promise.resolve({ json: () => ({}) });
      },
    } as unknown as NatsConnection,
    topology: topologyOf(ROOT),
    shard: 0,
  });

  async take(letter: DeadLetter): Promise<void> {
    const { reason, errors } = letter;
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
    if (errors.length === 0) expect(errors).not.toEqual([]);
    for (const { pointer, keyword, message } of errors) {
      if (pointer !== '' && !pointer.startsWith('/')) expect(pointer).toBe('a JSON pointer');
      if (keyword === '' || message === '') expect({ keyword, message }).toBe('words');
      if (`${keyword}${message}`.includes(SECRET)) expect({ pointer, message }).toBe('nothing of the payload');
    }
    await this.sink.send(letter);
  }
}

/** What the world outside hears: commits as text, read again and checked link by link. */
class Listener {
  readonly chain = new ChainChecker({ hashOf: FuzzRun.hashOf });
  private readonly encoder = new CommitEncoder({
    root: ROOT,
    logStream: 'VISAGE_LOG',
    shard: 0,
    generation: 1,
    repeatedThrough: 0,
  });
  private readonly builder = new CommitBuilder({
    sourceLength: this.encoder.source.length,
    start: { sequence: 0, ordinal: -1, message: null, count: 0, digest: 0, plan: PLAN, foldVersion: 3 },
  });

  take({ changes }: Effects, message: LogMessage): void {
    if (changes.length === 0) return;
    this.builder.add(changes, 0, message, PLAN, 3);
    for (let commit = this.builder.take(); commit !== undefined; commit = this.builder.take())
      for (const event of JSON.parse(this.encoder.encode(commit).toString()) as ChainEvent[]) this.chain.feed(event);
  }
}

/** Whom else a message may change: whose values leave by themselves. */
function expectOnlyOwn(effects: Effects, message: LogMessage): void {
  const own = splitSubject(message.subject, PREFIX)?.key;
  for (const { key, causes } of effects.changes)
    if (key !== own && !causes.every(({ kind }) => kind === 'expiry')) expect({ key, causes }).toEqual({ own });
}

it.each([
  ['log', 40_000],
  ['event', 10_000],
] as const)(`under the %s clock, %d payloads: no shard stops, no other profile changes (seed ${SEED})`, async (clock, count) => {
  const random = seededRandom(SEED + 1);
  const log = new LogWriter();
  const run = new FuzzRun(PLAN, 2 * 1024 * 1024, clock);
  const oracle = new ShardOracle({
    root: ROOT,
    shard: 0,
    partitions: PARTITIONS,
    clock,
    planOf: () => PLAN,
    hashOf: FuzzRun.hashOf,
  });
  const letters = new Letters();
  const listener = new Listener();
  let now = START;
  let slowestMs = 0;
  let slowest = 0;
  const apply = async (message: LogMessage): Promise<Effects> => {
    const start = process.threadCpuUsage();
    const effects = run.apply(message);
    const { user, system } = process.threadCpuUsage(start); // what others do meanwhile is none of the payload's
    const tookMs = (user + system) / 1000;
    if (tookMs > slowestMs) [slowestMs, slowest] = [tookMs, message.sequence];
    oracle.feed(message);
    listener.take(effects, message);
    for (const letter of effects.deadLetters) await letters.take(letter);
    const why = effects.deadLetters[0]?.reason;
    if (oracle.refused.get(message.sequence) !== why)
      expect({ sequence: message.sequence, why }).toEqual({ why: oracle.refused.get(message.sequence) });
    log.messages.length = 1; // the writer counts on from its last
    log.messages[0] = message;
    return effects;
  };
  const put = ({ subject, headers: block, body }: HostileMessage): Promise<Effects> => {
    const written = log.put(`in.${subject}`, body, now);
    return apply({ ...written, headers: block === null ? null : () => readHeaders(block) });
  };

  const customers = inShard('c', 400);
  const bystanders = inShard('by', BYSTANDERS).map((id) => `customerId.${id}`);
  const hostile = hostileMessages({
    seed: SEED,
    count,
    customers,
    atMs: () => now,
    bodyBytesMax: 1_000_000,
    erases: true,
  });
  for (let n = 0; n < 10; n++) await put(hostile.next().value!);
  await apply(log.definitions(PLAN, now, LARGE));
  for (const [n, key] of bystanders.entries()) {
    const id = key.slice(key.indexOf('.') + 1);
    const timestamp = formatTime(START - 2 * 3_600_000);
    await apply(log.event(id, { _id: `by-${n}`, timestamp, eventType: 'buy', price: n, channel: 'web' }, now));
    await apply(log.write(id, { city: 'Oslo', age: n }, now));
  }
  await apply(log.tick(now, clock === 'event' ? now : undefined));
  const before = bystanders.map((key) => seen(run, key));
  const expectUnchanged = (): void => {
    const bystander = random.below(BYSTANDERS);
    if (seen(run, bystanders[bystander]!) !== before[bystander])
      expect(seen(run, bystanders[bystander]!)).toBe(before[bystander]);
  };

  let n = 0;
  for (const message of hostile) {
    n++;
    now += random.below(STEP_MS_MAX);
    const effects = await put(message);
    expectOnlyOwn(effects, { ...log.messages[0]! });
    if (effects.erase !== null) {
      const hash = FuzzRun.hashOf(effects.erase);
      run.hashes.set(hash, effects.erase);
      await apply(log.control({ kind: 'erase', hash }, now));
    }
    if (n % 40 === 0) await apply(log.tick(now, clock === 'event' ? now : undefined));
    if (n % 2_500 === 0) await apply(log.control({ kind: 'deleteDataset', dataset: n % 5_000 === 0 ? 'views' : 'notes' }, now));
    if (n % LOOK_EVERY === 0) expectUnchanged();
    if (n % 4_000 === 0) await apply(log.definitions(PLAN, now, n % 8_000 === 0 ? LARGE : SMALL));
    if (n % 12_000 === 0) {
      await run.checkpoint();
      run.restart();
    }
  }
  for (let more = 0; more < 50; more++) await apply(log.tick(now, clock === 'event' ? now : undefined));
  expect(bystanders.map((key) => seen(run, key))).toEqual(before);
  const keys = oracle.keys();
  const views = keys.map((key) => run.view(key)!);
  console.log(
    `fuzz, ${clock} clock: ${n} payloads, ${oracle.refused.size} refused; CPU of the slowest ${slowestMs.toFixed(1)} ms (message ${slowest}); longest letter ${letters.longest} bytes`,
    { profiles: keys.length, changes: listener.chain.events, ...oracle.counts },
    Object.fromEntries(letters.reasons),
  );
  for (const view of views) expect(compareProfile(view, oracle)).toEqual([]);
  expect(listener.chain.problems.concat(listener.chain.checkAgainstExport(views))).toEqual([]);
  const least = { events: 0.1, records: 0.1, duplicates: 0.002, stale: 0.002, dead: 0.01 };
  const few = Object.entries(least).filter(([name, share]) => oracle.counts[name as keyof typeof least] < share * count);
  expect([few, listener.chain.events > 0.2 * count]).toEqual([[], true]);
  expect([...letters.reasons.keys()].sort()).toEqual([...REFUSAL_REASONS].sort());
  expect(slowestMs).toBeLessThan(APPLY_MS_MAX);
  expect(letters.longest).toBeLessThan(LETTER_BYTES_MAX);
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>)[SECRET]).toBeUndefined();
});
