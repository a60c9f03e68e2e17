import { describe, expect, it } from 'vitest';
import type { CommitHeader, CommitOutcome, LastCommit } from '../../../src/ports/change_sink.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import { fingerprint } from '../../../src/message/fingerprint.ts';
import { CommitBuilder } from '../../../src/shard/commit_builder.ts';
import { CommitPump, type CommitPumpOptions } from '../../../src/shard/commit_pump.ts';
import { FakeClock, settle } from './fakes.ts';

const HEADER: CommitHeader = {
  epoch: 2,
  owner: 'w1',
  position: { sequence: 4, ordinal: -1 },
  changeCount: 3,
  changeDigest: 9,
  definitionsHash: null,
  foldVersion: 1,
  generation: 1,
  logCreated: 'l',
  fingerprint: 'f4',
};
const FENCE: LastCommit = { streamSequence: 10, header: HEADER };

class Bench {
  readonly clock = new FakeClock();
  readonly builder = new CommitBuilder({
    sourceLength: 9,
    start: { sequence: 4, ordinal: -1, message: null, count: 3, digest: 9, plan: null, foldVersion: 1 },
  });
  readonly published: { header: CommitHeader; previous: number | undefined; at: number }[] = [];
  readonly failures: unknown[] = [];
  readonly order: string[] = [];
  answers: ((outcome: CommitOutcome) => void)[] = [];
  auto = true;
  letters: Promise<void>[] = [];
  sequence = 4;
  readonly pump: CommitPump;

  constructor(more: Partial<CommitPumpOptions> = {}) {
    this.pump = new CommitPump(
      {
        sink: {
          last: () => Promise.reject(new Error('not asked')),
          state: () => Promise.reject(new Error('not asked')),
          publish: (header, _body, previous) => {
            this.published.push({ header, previous: previous?.streamSequence, at: this.clock.now });
            this.order.push(`commit ${header.position.sequence}`);
            if (this.auto) return Promise.resolve({ kind: 'committed', streamSequence: 10 * (this.published.length + 1) });
            return new Promise((resolve) => this.answers.push(resolve));
          },
        },
        builder: this.builder,
        encode: () => Buffer.from('[]'),
        clock: this.clock,
        intervalMs: 10,
        refreshMs: 1000,
        owner: 'w1',
        epoch: 2,
        generation: 1,
        logCreated: 'l',
        deadLettersStored: async () => void (await Promise.all(this.letters)),
        onCommit: () => undefined,
        onFailure: (error) => this.failures.push(error),
        ...more,
      },
      FENCE,
    );
  }

  message(want = true): LogMessage {
    const message = {
      sequence: ++this.sequence,
      stampMs: this.sequence,
      subject: 's',
      body: new Uint8Array([this.sequence]),
      headers: null,
    };
    this.builder.add([], 0, message, null, 1);
    if (want) this.builder.want();
    this.pump.poke();
    return message;
  }

  answer(outcome: CommitOutcome): Promise<void> {
    this.answers.shift()!(outcome);
    return settle();
  }
}

describe('the pump', () => {
  it('publishes once an interval, after the commit before', async () => {
    const bench = new Bench();
    const message = bench.message();
    await bench.clock.advance(9);
    expect(bench.published).toEqual([]);
    await bench.clock.advance(1);
    expect(bench.published).toMatchObject([
      {
        at: 10,
        previous: 10,
        header: {
          position: { sequence: 5, ordinal: -1 },
          epoch: 2,
          changeCount: 3,
          changeDigest: 9,
          fingerprint: fingerprint(message),
        },
      },
    ]);
    for (let i = 0; i < 3; i++) bench.message();
    await bench.clock.advance(10);
    expect(bench.published).toHaveLength(2);
    expect(bench.published[1]).toMatchObject({ at: 20, previous: 20, header: { position: { sequence: 8 } } });
    await bench.clock.advance(500);
    expect(bench.published).toHaveLength(2);
  });

  it('has one commit in flight', async () => {
    const bench = new Bench();
    bench.auto = false;
    bench.message();
    await bench.clock.advance(10);
    for (let i = 0; i < 5; i++) {
      bench.message();
      await bench.clock.advance(50);
    }
    expect(bench.published).toHaveLength(1);
    await bench.answer({ kind: 'committed', streamSequence: 20 });
    await bench.clock.advance(10);
    expect(bench.published).toMatchObject([{ previous: 10 }, { previous: 20, header: { position: { sequence: 10 } } }]);
  });

  it('tries again while the stream is unavailable, the same commit, and says so', async () => {
    const bench = new Bench();
    bench.auto = false;
    bench.message();
    await bench.clock.advance(10);
    for (let i = 1; i <= 3; i++) {
      await bench.answer({ kind: 'unavailable', why: 'x' });
      expect([bench.pump.failures, bench.pump.failingSinceMs]).toEqual([i, 10]);
      await bench.clock.advance(250);
      expect(bench.published).toHaveLength(i + 1);
    }
    expect(new Set(bench.published.map(({ header, previous }) => JSON.stringify([header, previous]))).size).toBe(1);
    await bench.answer({ kind: 'committed', streamSequence: 20 });
    expect(bench.pump.failingSinceMs).toBeUndefined();
    expect(bench.pump.last.streamSequence).toBe(20);
  });

  it('stops for good when it is fenced', async () => {
    const bench = new Bench();
    bench.auto = false;
    bench.message();
    await bench.clock.advance(10);
    const covered = expect(bench.pump.covered(6)).rejects.toMatchObject({ code: 'stopped' });
    const next = bench.pump.nextCommit();
    await bench.answer({ kind: 'fenced', by: 'w2' });
    await covered;
    await next;
    expect(bench.failures).toMatchObject([{ code: 'fenced', kind: 'retry' }]);
    bench.message();
    bench.pump.poke();
    await expect(bench.pump.covered(7)).rejects.toMatchObject({ code: 'stopped' });
    await bench.clock.advance(5000);
    expect(bench.published).toHaveLength(1);
    expect(bench.clock.armed).toEqual([]);
  });

  it('publishes nothing after stop, not even what it was trying again', async () => {
    const bench = new Bench();
    bench.auto = false;
    bench.message();
    await bench.clock.advance(10);
    await bench.answer({ kind: 'unavailable', why: 'x' });
    bench.pump.stop();
    await bench.clock.advance(5000);
    expect(bench.published).toHaveLength(1);
  });

  it('stores dead letters first: those of every message that the commit passes, also the ones that came while it waited', async () => {
    const bench = new Bench();
    const letter = (name: string, ms: number): void => {
      bench.letters.push(
        new Promise(
          (resolve) =>
            void bench.clock.timer(ms, () => {
              bench.order.push(name);
              resolve();
            }),
        ),
      );
    };
    letter('letter 5', 30);
    bench.message(); // 5 was refused
    await bench.clock.advance(15); // the pump waits for its letter
    letter('letter 6', 100);
    bench.message();
    await bench.clock.advance(500);
    const passes6 = bench.order.findIndex((entry) => /commit [6-9]/.test(entry));
    expect(bench.order).toContain('letter 6');
    expect(bench.order.indexOf('letter 6')).toBeLessThan(passes6);
    expect(bench.order.indexOf('letter 5')).toBeLessThan(bench.order.findIndex((entry) => entry.startsWith('commit')));
  });

  it('fails, and stops, when a dead letter cannot be stored', async () => {
    const bench = new Bench({ deadLettersStored: () => Promise.reject(new Error('no')) });
    bench.message();
    await bench.clock.advance(1000);
    expect([bench.published.length, bench.failures.length]).toEqual([0, 1]);
  });

  it('covered: at once when it is, else by an empty commit without waiting for the interval', async () => {
    const bench = new Bench();
    await bench.pump.covered(4);
    expect(bench.published).toEqual([]);
    bench.message(false);
    await bench.clock.advance(100);
    expect(bench.published).toEqual([]);
    await bench.pump.covered(5);
    expect(bench.published).toMatchObject([{ at: 100, header: { position: { sequence: 5, ordinal: -1 } } }]);
    bench.message(false);
    await Promise.all([bench.pump.covered(6), bench.pump.covered(5), bench.pump.covered(6)]);
    expect(bench.published).toHaveLength(2);
  });

  it('covered while another commit is in flight comes right after it', async () => {
    const bench = new Bench();
    bench.auto = false;
    bench.message();
    await bench.clock.advance(10);
    bench.message(false);
    let done = false;
    void bench.pump.covered(6).then(() => (done = true));
    await bench.answer({ kind: 'committed', streamSequence: 20 });
    expect([bench.published.length, done]).toEqual([2, false]);
    await bench.answer({ kind: 'committed', streamSequence: 30 });
    expect(done).toBe(true);
  });

  it('refreshes an idle shard’s commit, and the refreshed one says all that the last one said', async () => {
    const bench = new Bench();
    bench.pump.poke();
    await bench.clock.advance(999);
    expect(bench.published).toEqual([]);
    await bench.clock.advance(1);
    expect(bench.published.map(({ header }) => header)).toEqual([HEADER]);
    await bench.clock.advance(1000);
    expect(bench.published.map(({ header }) => header)).toEqual([HEADER, HEADER]);
    const message = bench.message();
    await bench.clock.advance(10);
    await bench.clock.advance(1000);
    expect(bench.published.slice(2).map(({ header }) => [header.position.sequence, header.fingerprint])).toEqual([
      [5, fingerprint(message)],
      [5, fingerprint(message)],
    ]);
  });

  it('with anything to say does not wait for the refresh', async () => {
    const bench = new Bench();
    bench.pump.poke();
    await bench.clock.advance(500);
    bench.message();
    await bench.clock.advance(1);
    expect(bench.published).toHaveLength(1);
  });
});
