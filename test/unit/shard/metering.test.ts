import { describe, expect, it } from 'vitest';
import { Histogram } from '../../../src/base/histogram.ts';
import { planWith } from './fold_run.ts';
import { World } from './world.ts';

const DAY = 86_400_000;
const PLAN = planWith({ sum1d: { function: 'sum', value: 'event.price', window: { sliding: '1d' } } });

describe('a histogram', () => {
  it('counts a value in the first bucket whose bound it does not pass', () => {
    const histogram = new Histogram([1, 2, 5]);
    for (const value of [0, 1, 1.5, 2, 5, 6]) histogram.observe(value);
    histogram.observe(3, 4);
    expect(histogram).toMatchObject({ counts: [2, 2, 5, 1], count: 10, sum: 27.5 });
  });
});

describe('a shard, measured', () => {
  it('counts what happened once, and apart what a start replays', async () => {
    const world = new World(PLAN);
    const { meter, workerMeter } = world;
    world.definitions();
    const first = await world.start();
    world.event('ada', { _id: 'e1', price: 25 });
    world.event('ada', { _id: 'e1', price: 25 });
    world.event('bob', { _id: 'e2', price: 7 });
    world.broken('ada');
    await world.quiet(first);
    const counted = { eventsApplied: 2, eventsReplayed: 0, eventsDuplicate: 1, expiries: 0, changes: 2, checkpoints: 0 };
    expect(meter).toMatchObject(counted);
    expect([...meter.refused]).toEqual([['bad_timestamp', 1]]);
    expect(workerMeter.endToEndSeconds.count).toBe(2);
    expect(workerMeter.commitSeconds.count).toBe(meter.commits);
    world.crash(first);
    const second = await world.start();
    await world.quiet(second);
    expect(meter).toMatchObject({ ...counted, eventsReplayed: 2 });
    expect([...meter.refused]).toEqual([['bad_timestamp', 1]]);
    await world.clock.advance(3_000);
    expect(meter).toMatchObject({ checkpoints: 1, profilesWritten: 2 });
    expect(workerMeter.checkpointSeconds.count).toBe(1);
  });

  it('says how late a value left its window, by the clock of the log', async () => {
    const world = new World(PLAN);
    world.definitions();
    const life = await world.start();
    world.event('ada', { _id: 'e1', price: 25 });
    await world.quiet(life);
    await world.clock.advance(DAY + 1_000);
    await world.quiet(life);
    expect(world.meter.expiries).toBe(1);
    const { count, sum } = world.workerMeter.expiryLatenessSeconds;
    expect(count).toBe(1);
    expect(sum).toBeLessThan(0.2);
    expect(world.meter.ticks).toBeGreaterThan(0);
  });

  it('what came while no worker ran is applied, not replayed; a refusal is counted once, whichever life sends it', async () => {
    const world = new World(PLAN);
    world.definitions();
    const first = await world.start();
    world.event('ada', { _id: 'e1', price: 25 });
    await world.quiet(first);
    world.sink.answer = () => 'unavailable'; // the letter is stored, the commit that passes it is not
    world.broken('ada');
    await world.clock.advance(1_000);
    expect([...world.meter.refused]).toEqual([['bad_timestamp', 1]]);
    world.crash(first);
    world.sink.answer = () => 'ok';
    world.event('bob', { _id: 'e2', price: 7 });
    world.event('bob', { _id: 'e2', price: 7 });
    const second = await world.start();
    await world.quiet(second);
    expect(world.meter).toMatchObject({ eventsApplied: 2, eventsReplayed: 1, eventsDuplicate: 1, changes: 2 });
    expect([...world.meter.refused]).toEqual([['bad_timestamp', 1]]);
  });

  it('counts what fails although no message comes', async () => {
    const world = new World(PLAN);
    world.definitions();
    const life = await world.start();
    world.event('ada', { _id: 'e1', price: 25 });
    await world.quiet(life);
    world.log.full = true;
    world.sink.answer = () => 'unavailable';
    await world.clock.advance(DAY + 30_000);
    expect(life.shard.status()).toMatchObject({ ticksFailing: true, expiring: false });
    expect(world.meter.tickFailures).toBeGreaterThan(1);
  });

  it('says how long a message has been applied that no checkpoint has', async () => {
    const world = new World(PLAN);
    world.definitions();
    const life = await world.start();
    await world.clock.advance(60_000);
    expect(life.shard.status().checkpointAgeMs).toBe(0);
    world.event('ada', { _id: 'e1', price: 25 });
    world.sink.answer = () => 'unavailable';
    await world.clock.advance(30_000);
    expect(life.shard.status().checkpointAgeMs).toBeGreaterThan(29_000);
    world.sink.answer = () => 'ok';
    await world.clock.advance(5_000);
    expect(life.shard.status().checkpointAgeMs).toBe(0);
  });
});
