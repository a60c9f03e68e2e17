import { describe, expect, it } from 'vitest';
import { LogFixture, at, planOf, RECORDS } from './log_fixture.ts';
import { identityKey } from '../../../src/message/identity.ts';
import { RecordWriter, type RecordTraffic, type WrittenMessage } from '../../../src/oracle/generate_records.ts';

const START = at('2026-03-01T00:00:00Z');
const KEYS = ['ada', 'é', '100%'].map((id) => identityKey({ namespace: 'customerId', id }));
const traffic: RecordTraffic = {
  seed: 7,
  keys: KEYS,
  recordDatasets: RECORDS,
  eventDatasets: ['orders', 'returns'],
  recordShare: 0.5,
  profileDeleteShare: 0.02,
  datasetDeleteShare: 0.004,
  brokenShare: 0.1,
  maxLateMs: 1000,
};

function written(of: RecordTraffic, count = 4000): WrittenMessage[] {
  const writer = new RecordWriter(of);
  return Array.from({ length: count }, (_, n) => writer.next(START + 5 * n));
}

function feed(messages: readonly WrittenMessage[]): LogFixture {
  const log = new LogFixture(planOf([]));
  messages.forEach(({ tail, body, headers }, n) =>
    log.oracle.feed({
      sequence: ++log.sequence,
      stampMs: START + 5 * n,
      subject: `visage.log.0.${tail}`,
      body,
      headers: headers === null ? null : () => headers,
    }),
  );
  return log;
}

describe('generated records', () => {
  const messages = written(traffic);

  it('are a function of the seed', () => {
    expect(written(traffic)).toEqual(messages);
    expect(written({ ...traffic, seed: 8 })).not.toEqual(messages);
  });

  it('meet every rule: what applies, what is late, dead, again, and every reason to refuse them', () => {
    const { oracle } = feed(messages);
    const { records, events, duplicates, stale, dead } = oracle.counts;
    for (const met of Object.entries({ records, events, duplicates, stale, dead }))
      expect([met, met[1] > 50]).toEqual([met, true]);
    expect([...new Set(oracle.refused.values())].sort()).toEqual([
      'bad_operation',
      'bad_timestamp',
      'forbidden_key',
      'future',
      'malformed',
      'missing_id',
      'schema',
      'unknown_dataset',
    ]);
    const visible = messages.map((_, sequence) => oracle.keys(sequence).length);
    expect(Math.max(...visible)).toBe(KEYS.length);
    expect(Math.min(...visible.slice(100))).toBeLessThan(2);
  });

  it('use odd keys, nested objects, arrays and changes of them, in every dataset', () => {
    const text = messages.map(({ tail, body }) => `${tail} ${new TextDecoder().decode(body)}`).join('\n');
    for (const part of ['"a.b":', '"constructor":', '"":', '"é":', '{"$append":', '{"$remove":', '"a":{"b":{', '"c":[', ':null'])
      expect([part, text.includes(part)]).toEqual([part, true]);
    for (const dataset of [...RECORDS, 'orders', 'returns', '_profile']) expect(text).toContain(`in.${dataset}.`);
    for (const dataset of ['crm', 'orders', 'nosuchdataset'])
      expect(text).toContain(`{"kind":"deleteDataset","dataset":"${dataset}"}`);
  });

  it('are of records alone where there are no event datasets', () => {
    const tails = written({ ...traffic, eventDatasets: [], recordShare: 0 }).map(({ tail }) => tail.split('.')[1]);
    expect(new Set(tails)).toEqual(new Set([...RECORDS, '_profile', 'deleteDataset', 'nosuchdataset']));
  });
});
