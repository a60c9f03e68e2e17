import { describe, expect, it } from 'vitest';
import { TickTimer } from '../../../src/shard/tick_timer.ts';
import { FakeClock, FakeLog, settle } from './fakes.ts';

const START = 1_000_000;
const TICK = 100;

/** The shard around the timer: what is due, and the log that it reads back. */
class Bench {
  readonly clock = new FakeClock();
  readonly log = new FakeLog(this.clock, START);
  due: number[] = [];
  hang = false;
  readonly ticks: TickTimer;

  constructor(timeFlows = true) {
    const port = this.log.port({ dead: false });
    this.ticks = new TickTimer({
      clock: this.clock,
      log: { ...port, append: (kind, body) => (this.hang ? new Promise<never>(() => undefined) : port.append(kind, body)) },
      tickMs: TICK,
      timeFlows,
      earliest: () => Math.min(Infinity, ...this.due),
    });
  }

  /** A message came: time moves, what was due is dealt with. */
  read(stampMs: number): void {
    this.due = this.due.filter((dueMs) => dueMs > stampMs);
    this.ticks.moved(stampMs);
  }

  /** Lets time pass, and the shard read its own ticks, a few milliseconds after they were stored. */
  async pass(ms: number): Promise<void> {
    const read = this.log.messages.length;
    await this.clock.advance(ms);
    for (const message of this.log.messages.slice(read)) this.read(message.stampMs);
    await settle();
  }

  get at(): number[] {
    return this.log.messages.map(({ stampMs }) => stampMs - START);
  }
}

/** Active and told the time, with nothing due: whatever it sends at the start is not what these tests are about. */
async function active(): Promise<Bench> {
  const bench = new Bench();
  bench.ticks.moved(START);
  bench.ticks.start();
  await bench.pass(0);
  return bench;
}

describe('the tick timer', () => {
  it('appends a tick when something is due, within a tick', async () => {
    const bench = await active();
    bench.due = [START + 500, START + 530, START + 5000];
    bench.read(START);
    for (let i = 0; i < 6000; i += 10) await bench.pass(10);
    expect(bench.at).toHaveLength(3);
    expect(bench.at[0]).toBe(500);
    expect(bench.at[1]! - 530).toBeLessThanOrEqual(TICK);
    expect(bench.at[1]! - bench.at[0]!).toBeGreaterThanOrEqual(TICK);
    expect(bench.at[2]).toBe(5000);
    expect(bench.ticks.appended).toBe(3);
  });

  it('appends none while nothing is due, or messages deal with it', async () => {
    const bench = await active();
    await bench.pass(10_000);
    expect(bench.at).toEqual([]);
    bench.due = [START + 10_500];
    bench.read(START + 10_000);
    await bench.pass(499);
    bench.read(START + 10_501);
    await bench.pass(10_000);
    expect(bench.at).toEqual([]);
  });

  it('notices that something is due earlier, or later', async () => {
    const bench = await active();
    bench.due = [START + 5000];
    bench.read(START);
    bench.due = [START + 300, START + 5000];
    bench.read(START);
    await bench.pass(300);
    expect(bench.at).toEqual([300]);
    bench.due = [START + 6000];
    bench.read(START + 300);
    await bench.pass(5699);
    expect(bench.at).toEqual([300]);
    await bench.pass(1);
    await bench.pass(1000);
    expect(bench.at).toEqual([300, 6000]);
  });

  it('keeps at most one under way', async () => {
    const bench = await active();
    bench.hang = true;
    bench.due = [START + 100];
    bench.read(START);
    await bench.pass(100);
    bench.ticks.continue();
    bench.read(START + 1);
    await bench.pass(1000);
    expect([bench.at, bench.clock.armed]).toEqual([[], []]);
  });

  it('backs off when the log is full, counts, and recovers', async () => {
    const bench = await active();
    bench.log.full = true;
    bench.due = [START + 100];
    bench.read(START);
    const waits: number[] = [];
    for (let i = 0; i < 10; i++) {
      const before = bench.ticks.failures;
      const startMs = bench.clock.now;
      while (bench.ticks.failures === before) await bench.clock.advance(bench.clock.armed[0] ?? 1);
      waits.push(bench.clock.now - startMs);
    }
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000]);
    expect([bench.ticks.failing, bench.ticks.failures]).toEqual([10, 10]);
    bench.log.full = false;
    await bench.pass(5000);
    expect(bench.at).toHaveLength(1);
    expect(bench.ticks.failing).toBe(0);
  });

  it('goes on at once when a bounded message left something due', async () => {
    const bench = await active();
    bench.due = [START + 1];
    bench.read(START);
    bench.ticks.continue();
    await settle();
    expect(bench.at).toEqual([0]);
  });

  it('does nothing before start and after stop', async () => {
    const bench = new Bench();
    bench.due = [START + 10];
    bench.ticks.moved(START);
    bench.ticks.continue();
    await bench.pass(1000);
    expect(bench.at).toEqual([]);
    bench.ticks.start();
    bench.ticks.stop();
    await settle();
    const sent = bench.at.length;
    bench.ticks.moved(START);
    bench.ticks.continue();
    await bench.pass(1000);
    expect([bench.at.length, bench.clock.armed]).toEqual([sent, []]);
  });

  it('is not made late by a message that came long after it was stamped', async () => {
    const bench = await active();
    bench.due = [START + 5_000];
    bench.read(START);
    await bench.clock.advance(4_000);
    bench.read(START + 100); // stamped 3.9 s ago: a reader that catches up
    for (let i = 0; i < 1_200; i += 10) await bench.pass(10);
    expect(bench.at).toEqual([5_000]);
    expect(bench.due).toEqual([]);
  });

  it('when it thinks that it is later than it is, its own tick tells: the next one is on time', async () => {
    const bench = await active();
    bench.due = [START + 5_000];
    bench.ticks.moved(START + 1_000); // the clock of the server was a second ahead, and is not any more
    for (let i = 0; i < 5_200; i += 10) await bench.pass(10);
    expect(bench.at).toEqual([4_000, 5_000]);
    expect(bench.due).toEqual([]);
  });

  it('asks the log for the time when it starts: how long ago the last stamp was, nobody knows', async () => {
    const bench = new Bench();
    await bench.clock.advance(3_600_000); // the worker was down for an hour
    bench.due = [START + 1_800_000];
    bench.ticks.moved(START);
    bench.ticks.start();
    await bench.pass(TICK);
    expect(bench.at).toEqual([3_600_000]);
    expect(bench.due).toEqual([]);
  });

  it('under the event clock appends only for what is due already, and at once when a message brings the time', async () => {
    const bench = new Bench(false);
    bench.ticks.moved(START);
    bench.ticks.start();
    bench.due = [START + 10, START + 5000];
    bench.ticks.moved(START);
    await bench.pass(60_000);
    expect(bench.at).toEqual([]);
    bench.ticks.moved(START + 9);
    await bench.pass(60_000);
    expect(bench.at).toEqual([]);
    bench.ticks.moved(START + 10);
    await bench.clock.advance(TICK / 2);
    expect(bench.log.messages.length).toBe(1);
    bench.due = [START + 5000]; // the shard read it
    bench.ticks.moved(START + 10);
    await bench.pass(60_000);
    expect(bench.log.messages.length).toBe(1);
  });
});
