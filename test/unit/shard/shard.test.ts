import { describe, expect, it } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { compareExport, compareProfile } from '../../../src/oracle/compare.ts';
import type { ProfileView } from '../../../src/profile/view.ts';
import { FoldRun, planWith } from './fold_run.ts';
import { settle } from './fakes.ts';
import { START, World, type Life } from './world.ts';

const ADA = 'customerId.ada';
const HOUR = 3_600_000;
/** Nothing ever expires: no ticks. */
const QUIET = planWith({ countAll: { function: 'count', window: 'lifetime' } });

describe('a shard', () => {
  it('folds, commits, checkpoints, answers', async () => {
    const world = new World();
    world.definitions();
    const life = await world.start();
    world.event('ada', { _id: 'e1', price: 25, channel: 'web' });
    const sequence = world.event('ada', { _id: 'e2', price: 9.99 });
    const view = await life.shard.reads.get(ADA, sequence, 100);
    expect(view?.computed['sumAll']).toEqual({ value: 34.99 });
    await world.quiet(life);
    expect(world.sink.commits[0]).toMatchObject({
      header: { position: { sequence: 0, ordinal: -1 }, epoch: 1, owner: 'life-1' },
      body: '[]',
    });
    await world.clock.advance(2100);
    expect(world.disk.meta).toMatchObject({ profiles: 1, epoch: 1 });
    const chain = world.chain();
    expect(chain.problems).toEqual([]);
    expect(chain.checkAgainstExport([(await life.shard.reads.get(ADA, 0, 100))!])).toEqual([]);
    await life.shard.stop();
    await life.running;
    await life.shard.drain();
    expect(life.ended).toEqual({ error: undefined });
    expect(world.clock.armed).toEqual([]);
    await expect(life.shard.reads.get('customerId.nobody', 0, 100)).rejects.toMatchObject({ code: 'stopped', kind: 'retry' });
  });

  it('lets a value leave on time although the worker was down when it was due', async () => {
    const world = new World();
    world.definitions();
    const first = await world.start();
    world.event('ada', { _id: 'e1', price: 25 });
    await world.quiet(first);
    await world.clock.advance(3000);
    world.crash(first);
    await world.clock.advance(5 * HOUR);
    const second = await world.start();
    await world.clock.advance(150);
    const view = await second.shard.reads.get(ADA, 0, 100);
    expect(view?.computed['count1h']).toEqual({ value: 0 });
    expect(compareProfile(view!, world.oracle())).toEqual([]);
  });

  it('is stopped while it starts', async () => {
    const world = new World();
    world.definitions();
    const { shard } = world.make();
    await shard.restore();
    const running = shard.run(() => undefined);
    await shard.stop(); // the reader is not open yet
    await settle();
    let ended = false;
    void running.then(() => (ended = true));
    await world.clock.advance(10_000);
    expect(ended).toBe(true);
    await shard.drain();
    expect(world.clock.armed).toEqual([]);
  });

  it('does not say that it read what it was only handed', async () => {
    const world = new World(QUIET);
    world.definitions();
    world.event('ada', { _id: 'e0' });
    world.log.batch = () => 1000;
    const { shard } = world.make({ cacheMaxBytes: 0 });
    let slow = 0;
    shard.options.store.prefetch = () => new Promise((resolve) => void world.clock.timer(slow, resolve));
    await shard.restore();
    const running = shard.run(() => undefined);
    await evictAll(world);
    slow = 10_000; // the disk is
    const last = world.event('bob', { _id: 'e1', price: 1 });
    await world.clock.advance(5000); // the batch waits for its profiles, while the reader says that it gave out everything
    expect(shard.status()).toMatchObject({ applied: last - 1, readThrough: last - 1 });
    const late = expect(shard.reads.get('customerId.bob', last, 50)).rejects.toMatchObject({ code: 'not_yet' });
    await world.clock.advance(60);
    await late;
    await world.clock.advance(10_000);
    expect((await shard.reads.get('customerId.bob', last, 50))?.computed['countAll']).toEqual({ value: 1 });
    shard.abandon();
    await running;
  });

  it('remembers what it read through, so that a trimmed log is no gap for a quiet shard', async () => {
    const world = new World();
    world.definitions();
    const first = await world.start();
    world.event('ada', { _id: 'e1', price: 25, eventType: 'other' });
    await world.quiet(first);
    await world.clock.advance(2 * 3_600_000);
    await world.clock.advance(5000);
    world.log.lastSequence += 1000; // other shards are busy
    await world.clock.advance(70_000);
    expect(first.shard.status().readThrough).toBe(world.log.lastSequence);
    world.crash(first);
    world.log.firstSequence = world.log.lastSequence - 100; // and the log was trimmed
    world.log.messages = [];
    const second = await world.start();
    await world.clock.advance(50);
    expect(second.ended).toBeUndefined();
    expect((await second.shard.reads.get(ADA, 0, 100))?.computed['sumAll']).toEqual({ value: 0 });
  });

  it('keeps its cache bounded when there are only reads', async () => {
    const world = new World();
    world.definitions();
    const life = await world.start({ cacheMaxBytes: 20_000 });
    for (let i = 0; i < 300; i++) world.event(`p${i}`, { _id: 'e', price: i, eventType: 'other' }, 7_200_000);
    await world.quiet(life);
    await world.clock.advance(5000);
    for (let i = 0; i < 300; i++) await life.shard.reads.get(`customerId.p${i}`, 0, 100);
    expect(life.shard.status().cachedBytes).toBeLessThanOrEqual(20_000);
  });

  it('marks everything that an earlier life may have sent, when the change stream has aged out', async () => {
    const world = new World(QUIET);
    world.definitions();
    const first = await world.start({ checkpointIntervalMs: 100 });
    world.event('ada', { _id: 'e1', price: 1, eventType: 'other' });
    await world.clock.advance(300);
    expect(world.disk.meta?.applied).toBeGreaterThan(1);
    const kept = structuredClone(world.disk.meta);
    const heads = new Map(world.disk.heads);
    world.event('ada', { _id: 'e2', price: 2, eventType: 'other' });
    await world.clock.advance(50);
    world.event('ada', { _id: 'e3', price: 2, eventType: 'other' });
    await world.clock.advance(40);
    const sent = world.sink.commits.flatMap(({ body }) => JSON.parse(body) as { id: string }[]).length;
    expect(sent).toBeGreaterThanOrEqual(3);
    const before = world.log.lastSequence;
    world.crash(first);
    Object.assign(world.disk, { meta: kept, heads, sortedDue: null });
    world.sink.commits = []; // aged out
    const second = await world.start();
    await world.clock.advance(300);
    world.event('ada', { _id: 'e4', price: 2, eventType: 'other' });
    await world.quiet(second);
    const events = world.sink.commits.flatMap(
      ({ body }) => JSON.parse(body) as { data: { version: number; possiblyRepeated?: boolean } }[],
    );
    expect(events.filter(({ data }) => data.version > kept!.applied)).toEqual(events);
    for (const { data } of events)
      expect([data.version, data.possiblyRepeated ?? false]).toEqual([data.version, data.version <= before]);
    expect(new Set(events.map(({ data }) => data.possiblyRepeated)).size).toBe(2);
  });

  it('does not ask the store for ids that are too long for it', async () => {
    const world = new World(QUIET);
    world.definitions();
    const asked: string[] = [];
    const { shard } = world.make({ cacheMaxBytes: 0 });
    const { store } = shard.options;
    store.prefetch = (keys) => {
      asked.push(...keys);
      return Promise.resolve();
    };
    await shard.restore();
    void shard.run(() => undefined);
    world.event('ada', { _id: 'e1', price: 1, eventType: 'other' }, 7_200_000);
    await evictAll(world);
    asked.length = 0;
    world.event('bob', { _id: 'e1', price: 1 });
    world.event('x'.repeat(2048), { _id: 'e1', price: 1 });
    world.log.put('ctl.tick', new Uint8Array());
    await world.clock.advance(50);
    expect(shard.status()).toMatchObject({ applied: world.log.lastSequence, refused: 1 });
    expect(asked).toEqual(['customerId.bob']);
    shard.abandon();
  });

  it('goes on in the middle of a message whose changes took several commits', async () => {
    for (const crashAfter of [1, 2]) {
      const world = new World(
        planWith({ last1h: { function: 'mostRecent', value: 'event.channel', window: { sliding: '1h' } } }),
      );
      world.definitions();
      const first = await world.start({ cacheMaxBytes: 1e9 });
      await world.clock.advance(50);
      for (let i = 0; i < 250; i++) world.event(`p${i}`, { _id: 'a', channel: `${i}${'x'.repeat(3000)}` });
      await world.clock.advance(10_000);
      await world.quiet(first);
      const before = world.sink.commits.length;
      world.sink.answer = () => (world.sink.commits.length < before + crashAfter ? 'ok' : 'unavailable');
      world.log.put('ctl.tick', new Uint8Array(), START + 2 * HOUR); // all expire with one message
      world.clock.now += 2 * HOUR;
      await world.clock.advance(100);
      expect(world.sink.commits).toHaveLength(before + crashAfter);
      expect(world.sink.last()!.header.position.ordinal).toBeGreaterThan(0);
      world.crash(first);
      world.sink.answer = () => 'ok';
      const second = await world.start({ cacheMaxBytes: 1e9 });
      await world.clock.advance(1000);
      await world.quiet(second);
      const chain = world.chain();
      expect(chain.problems).toEqual([]);
      expect(chain.events).toBe(500);
      const oracle = world.oracle();
      expect(chain.checkAgainstExport(await world.views(second, oracle.keys()))).toEqual([]);
      world.crash(second);
    }
  });

  it('takes over although a last commit of the dead owner was still on its way', async () => {
    const world = new World();
    world.definitions();
    const first = await world.start();
    await world.clock.advance(50);
    world.event('ada', { _id: 'e1', price: 1 });
    world.sink.answer = () => 'late';
    await world.clock.advance(12);
    world.crash(first);
    world.sink.answer = () => (world.sink.store(world.sink.last()!.header, '[]', world.sink.last()), 'ok'); // it arrives between reading and fencing
    const second = await world.start();
    expect(second.ended?.error).toMatchObject({ code: 'fenced', kind: 'retry' });
  });

  it('stops when another owner takes it over, and sends nothing any more', async () => {
    const world = new World();
    world.definitions();
    const first = await world.start();
    await world.clock.advance(50);
    const second = await world.start();
    world.event('ada', { _id: 'e1', price: 1 });
    await world.clock.advance(500);
    expect(first.ended?.error).toMatchObject({ code: 'fenced', kind: 'retry' });
    expect(second.ended).toBeUndefined();
    expect(world.sink.commits.map(({ header }) => header.owner)).not.toContain('life-1 again');
    expect(world.sink.commits.slice(2).every(({ header }) => header.owner === 'life-2')).toBe(true);
    expect(world.chain().problems).toEqual([]);
  });

  it('halts when a replay does not give what was emitted', async () => {
    const world = new World();
    world.definitions();
    const first = await world.start();
    world.event('ada', { _id: 'e1', price: 1 });
    await world.clock.advance(50);
    world.crash(first);
    const { header, ...rest } = world.sink.commits.pop()!;
    world.sink.commits.push({ ...rest, header: { ...header, changeDigest: header.changeDigest ^ 1 } });
    const second = await world.start();
    await world.clock.advance(50);
    expect(second.ended?.error).toMatchObject({ code: 'not_deterministic', kind: 'stop_shard' });
  });

  it('halts when the server’s clock jumps', async () => {
    const world = new World();
    world.definitions();
    const life = await world.start();
    world.log.put('ctl.tick', new Uint8Array(), START + 600_000);
    await world.clock.advance(50);
    expect(life.ended).toBeUndefined();
    world.log.put('ctl.tick', new Uint8Array(), START + 1_201_000);
    await world.clock.advance(50);
    expect(life.ended?.error).toMatchObject({ code: 'clock_jump', kind: 'stop_shard' });
  });

  it('exports exactly at a cut, and goes on meanwhile', async () => {
    const world = new World();
    world.definitions();
    world.log.batch = () => 100;
    const life = await world.start();
    await world.clock.advance(50);
    for (let i = 0; i < 300; i++) world.event(`p${i}`, { _id: 'a', price: 1, eventType: 'other' });
    const cut = world.log.put('ctl.cut', new TextEncoder().encode('{"id":"x1"}'));
    for (let i = 0; i < 9; i++) world.event(`p${i}`, { _id: 'b', price: 1, eventType: 'other' });
    await world.quiet(life);
    const page = life.shard.exports.page('x1', '');
    expect([page.sequence, page.profiles.length, page.next === null]).toEqual([cut, 256, false]);
    const rest = life.shard.exports.page('x1', page.next!);
    const views = [...page.profiles, ...rest.profiles].map((text) => JSON.parse(text) as ProfileView);
    expect(rest.next).toBeNull();
    expect(views.map(({ profile }) => profile.id)).toEqual(Array.from({ length: 300 }, (_, i) => `p${i}`).sort());
    expect(compareExport(views, { oracles: [world.oracle()], cuts: new Map([[0, cut]]) })).toEqual([]);
    expect(() => life.shard.exports.page('x1', '')).toThrow(/not open/);
  });

  it('crashes anywhere, again and again: one chain, the state of an uninterrupted run, and the oracle agrees', async () => {
    for (let seed = 1; seed <= 20; seed++) await crashy(seed);
  });
});

/** Waits for a checkpoint, then lets messages make the cache look twice at what it has. */
async function evictAll(world: World): Promise<void> {
  await world.clock.advance(10_000);
  for (let i = 0; i < 2; i++) {
    world.log.put('ctl.tick', new Uint8Array());
    await world.clock.advance(10);
  }
}

const mayRetry = (error: unknown): boolean => error instanceof VisageError && error.kind === 'retry';

async function crashy(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const world = new World();
  world.log.batch = () => 1 + random.below(12);
  world.sink.answer = () => pick(['ok', 'ok', 'ok', 'late', 'unavailable']);
  world.sink.lateMs = () => random.below(80);
  world.letters.delayMs = () => pick([0, 0, 5, 60]);
  const options = {
    cacheMaxBytes: pick([0, 3000, 1e9]),
    checkpointMaxDirty: pick([1, 3, 50]),
    checkpointIntervalMs: pick([20, 150, 2000]),
    commitIntervalMs: pick([1, 10, 50]),
  };
  world.definitions({ dedupeHorizonMs: pick([0, 50, 1e9]), dedupeIds: pick([2, 1000]) });
  let life: Life | undefined;
  let crashes = 0;
  for (let n = 0; n < 60; n++) {
    const what = random.below(20);
    if (life === undefined) life = await world.start(options);
    if (what < 12) {
      for (let i = random.below(6); i >= 0; i--) {
        const body = {
          _id: `e-${random.below(40)}`,
          price: pick([1, 9.99, 0.1, 1e300, -5]),
          channel: pick(['web', 'é"\\', '\u0000']),
          eventType: pick(['buy', 'view', 'x']),
        };
        world.event(`c-${random.below(8)}`, body, pick([0, 0, 1, 5, 10, 11, 3_600_000]), pick(['orders', 'returns', 'audit']));
      }
    } else if (what < 14) world.broken(`c-${random.below(8)}`);
    else if (what < 15) world.log.put('ctl.cut', new TextEncoder().encode('{"id":"x"}'));
    await world.clock.advance(pick([0, 1, 5, 12, 40, 130]));
    if (life.ended !== undefined) {
      if (!mayRetry(life.ended.error)) throw new Error(`seed ${seed}: ${String(life.ended.error)}`, { cause: life.ended.error });
      world.crash(life); // it could not fence: try again
      life = undefined;
      continue;
    }
    if (what === 19 || (what > 16 && random.below(2) === 0)) {
      crashes++;
      world.crash(life);
      life = undefined;
      await world.clock.advance(pick([0, 0, 50, 200]));
    } else if (what === 16 && life.active) {
      world.sink.answer = () => 'ok';
      const stopping = life;
      const drained = stopping.shard
        .stop()
        .then(() => stopping.running)
        .then(() => stopping.shard.drain());
      await world.clock.advance(500);
      await drained;
      expect(world.disk.meta!.applied, `seed ${seed}`).toBe(stopping.shard.status().applied);
      life = undefined;
    }
  }
  world.sink.answer = () => 'ok';
  life ??= await world.start(options);
  await world.clock.advance(500);
  await world.quiet(life);
  const context = `seed ${seed}, ${crashes} crashes`;
  const chain = world.chain();
  expect(chain.problems, context).toEqual([]);
  const calm = new FoldRun(world.plan, Infinity);
  for (const message of world.log.messages) calm.apply(message);
  const oracle = world.oracle();
  const views = await world.views(life, oracle.keys());
  for (const view of views) {
    expect(compareProfile(view, oracle), context).toEqual([]);
    expect(view, context).toEqual(calm.view(`customerId.${view.profile.id}`));
  }
  expect(chain.checkAgainstExport(views), context).toEqual([]);
  expect([life.shard.status().changes, life.shard.status().profiles], context).toEqual([calm.fold.recorder.count, views.length]);
  const { header } = world.sink.commits.at(-1)!;
  expect([header.changeCount, header.changeDigest], context).toEqual([calm.fold.recorder.count, calm.fold.recorder.digest]);
  const dead = new Set(world.letters.stored.map(({ message }) => message.sequence));
  expect(
    [...dead].sort((a, b) => a - b),
    context,
  ).toEqual([...oracle.refused.keys()]);
  let before = { sequence: 0, ordinal: -1 };
  for (const {
    header: { position },
  } of world.sink.commits) {
    const forward =
      position.sequence > before.sequence ||
      (position.sequence === before.sequence && (position.ordinal === -1 || position.ordinal >= before.ordinal));
    expect(forward, context).toBe(true);
    before = position;
  }
  world.crash(life);
  await settle();
}
