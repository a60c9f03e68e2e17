import { describe, expect, it } from 'vitest';
import { LogFixture, LIFETIME, at, planOf } from './log_fixture.ts';
import { generateEvents, type GeneratedEvent, type GeneratorOptions } from '../../../src/oracle/generate.ts';
import { formatTime } from '../../../src/base/time.ts';
import { ShardOracle } from '../../../src/oracle/brute_force.ts';
import { DEFAULT_FOLD_SETTINGS, encodeControl } from '../../../src/message/control.ts';
import { inputSubject } from '../../../src/message/subject.ts';

const options: GeneratorOptions = {
  seed: 7,
  events: 5000,
  profiles: 200,
  zipfS: 1,
  startMs: at('2026-03-01T00:00:00Z'),
  spanMs: 3_600_000,
  outOfOrderShare: 0.2,
  maxLateMs: 60_000,
  duplicateShare: 0.1,
  invalidShare: 0.1,
};
const plan = planOf([
  { name: 'channel', function: 'mostRecent', window: LIFETIME },
  { name: 'orders', function: 'count', window: LIFETIME },
  { name: 'spend', function: 'sum', window: LIFETIME },
]);

function feed(events: Iterable<GeneratedEvent>): { oracle: ShardOracle; reasons: Map<number, string> } {
  const oracle = new ShardOracle({ root: 'visage', shard: 0, partitions: 1, planOf: () => plan });
  const reasons = new Map<number, string>();
  const body = encodeControl({ kind: 'definitions', hash: 'h1', foldVersion: 1, settings: DEFAULT_FOLD_SETTINGS });
  oracle.feed({ sequence: 1, stampMs: 0, subject: 'visage.log.0.ctl.definitions', body, headers: null });
  let sequence = 1;
  for (const event of events) {
    sequence++;
    if (event.reason !== null) reasons.set(sequence, event.reason);
    const subject = inputSubject('visage', event.dataset, event).replace('.in.', '.log.0.in.');
    oracle.feed({ sequence, stampMs: event.arrivalMs, subject, body: new TextEncoder().encode(event.body), headers: null });
  }
  return { oracle, reasons };
}

describe('the generator', () => {
  const events = [...generateEvents(options)];

  it('repeats itself for a seed, and only for it', () => {
    expect([...generateEvents(options)]).toEqual(events);
    expect([...generateEvents({ ...options, seed: 8 })]).not.toEqual(events);
  });

  it('keeps to the shares', () => {
    const share = (test: (event: GeneratedEvent) => boolean): number => events.filter(test).length / events.length;
    expect(events.length).toBe(5000);
    expect(share((event) => !event.valid)).toBeCloseTo(0.1, 1);
    expect(share((event) => event.duplicate)).toBeCloseTo(0.1, 1);
    expect(share((event) => event.valid && !event.body.includes(formatTime(event.arrivalMs)))).toBeGreaterThan(0.1);
    expect(share((event) => event.id === 'c-0')).toBeGreaterThan(0.1); // zipf
  });

  it('says which are valid and why the others are not; duplicates are duplicates', () => {
    const { oracle, reasons } = feed(events);
    expect(oracle.refused).toEqual(reasons);
    expect(new Set(reasons.values()).size).toBe(11);
    expect(oracle.duplicates).toBe(events.filter((event) => event.duplicate).length);
    expect(oracle.events + oracle.duplicates + reasons.size).toBe(events.length);
  });

  it('recomputes its totals: cents added by hand', () => {
    const clean = [...generateEvents({ ...options, duplicateShare: 0, invalidShare: 0 })];
    const { oracle } = feed(clean);
    const cents = clean.reduce(
      (sum, { body }) => sum + Math.round(100 * Number(/"priceTotal":([\d.]+)/.exec(body)?.[1] ?? 0)),
      0,
    );
    const spends = oracle.keys().map((key) => oracle.profileAt(key, oracle.shardTimeMs)!['spend']!.value as number);
    expect(Math.round(spends.reduce((sum, spend) => sum + Math.round(spend * 100), 0))).toBe(cents);
  });

  it('uniform, and on a fixture log', () => {
    const log = new LogFixture(plan);
    for (const event of generateEvents({ ...options, zipfS: 0, events: 100, invalidShare: 0, duplicateShare: 0 })) {
      log.raw(event.body, formatTime(event.arrivalMs), event.dataset, event.id);
    }
    expect(log.oracle.events).toBe(100);
    expect(log.oracle.keys().length).toBeGreaterThan(60);
  });
});
