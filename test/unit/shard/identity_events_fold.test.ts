// The events that are listed are those that the fold has counted: random logs of several identities with events, records, deletes of
// profiles and datasets, and erasures, under both clocks, with the erased messages still in the log or gone from it.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { seededRandom, type Random } from '../../../src/base/random.ts';
import { formatTime } from '../../../src/base/time.ts';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { parseDefinitionsDocument } from '../../../src/definitions/load_definitions.ts';
import type { ClockMode } from '../../../src/message/control.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';
import type { ErasureSource } from '../../../src/ports/erasures.ts';
import { IdentityEvents } from '../../../src/shard/identity_events.ts';
import { FoldRun, LogWriter, ROOT } from './fold_run.ts';

const START = Date.UTC(2026, 2, 10, 9);
const IDS = ['a', 'b', 'c'];
const PLAN = compilePlan(
  parseDefinitionsDocument(`
version: 1
namespaces: { customerId: { type: person, priority: 1 } }
schemas:
  purchase: { class: individual, behavior: event, jsonSchema: { type: object } }
  customer:
    class: individual
    behavior: record
    jsonSchema: { type: object, properties: { n: { type: number } }, required: [n] }
datasets:
  audit: { schema: purchase, profile: false }
  orders: { schema: purchase, profile: true }
  returns: { schema: purchase, profile: true }
  crm: { schema: customer, profile: true }
mergePolicies: { default: { class: individual, attributes: timestampOrdered, stitching: none, default: true } }
computedAttributes:
  all: { class: individual, function: count, window: lifetime }
  ids: { class: individual, value: event._id, function: list, limit: 100, window: lifetime }
`),
);

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');
const ERASURES: ErasureSource = {
  hashOf,
  keyOf: (hash) => IDS.map((id) => `customerId.${id}`).find((key) => hashOf(key) === hash),
  recordedAt: () => undefined,
  hasHoles: false,
  resolve: () => Promise.resolve(),
};

type Options = { readonly clock: ClockMode; readonly deletes: boolean };

function randomLog(random: Random, { deletes }: Options): LogMessage[] {
  const log = new LogWriter();
  const settings = { dedupeHorizonMs: 5 + random.below(100), dedupeIds: 2 + random.below(8) };
  log.definitions(PLAN, START, settings);
  let stamp = START;
  for (let n = 0; n < 60; n++) {
    stamp += random.below(6);
    const id = IDS[random.below(IDS.length)]!;
    const time = formatTime(stamp - random.below(30) + random.below(8));
    const kind = random.below(deletes ? 20 : 15);
    if (kind < 10) {
      const dataset = ['orders', 'returns', 'audit'][random.below(8) % 3]!;
      const _id = `${dataset}-${random.below(8)}`;
      log.event(id, kind === 9 ? { _id } : { _id, timestamp: time }, stamp, dataset);
    } else if (kind < 15) {
      const body = {
        ...(random.below(3) === 0 ? {} : { _id: `r${random.below(6)}` }),
        ...(random.below(2) === 0 ? {} : { n: 1 }),
      };
      log.write(id, body, stamp, { operation: ['create', 'merge', 'delete'][random.below(3)]!, lastUpdated: time });
    } else if (kind < 17) log.write(id, '', stamp, { dataset: '_profile', operation: 'delete' });
    else if (kind === 17) log.control({ kind: 'deleteDataset', dataset: ['orders', 'crm', 'none'][random.below(3)]! }, stamp);
    else if (kind === 18) log.control({ kind: 'erase', hash: hashOf(`customerId.${id}`) }, stamp);
    else log.tick(stamp);
  }
  return log.messages;
}

/** What a look-up is given: the identity's own messages, and the control messages that decide; perhaps without what an erasure removed. */
function aboutOne(log: readonly LogMessage[], id: string, removed: boolean): LogMessage[] {
  const erased = log.filter(
    ({ subject, body }) => subject.endsWith('.ctl.erase') && String(Buffer.from(body)).includes(hashOf(`customerId.${id}`)),
  );
  const goneTo = removed ? (erased.at(-1)?.sequence ?? 0) : 0;
  return log.filter(({ subject, sequence }) => {
    if (/\.ctl\.(definitions|deleteDataset|erase)$/.test(subject)) return true;
    return subject.endsWith(`.customerId.${id}`) && sequence > goneTo;
  });
}

function compare(seed: number, options: Options): number {
  const random = seededRandom(seed);
  const log = randomLog(random, options);
  const run = new FoldRun(PLAN, 1e9, options.clock);
  run.erasures = ERASURES;
  run.restart();
  for (const message of log) run.apply(message);
  let compared = 0;
  for (const id of IDS) {
    const key = `customerId.${id}`;
    const view = run.view(key);
    if (view === undefined) continue;
    const events = new IdentityEvents({
      root: ROOT,
      shard: 0,
      partitions: 1,
      clockMode: options.clock,
      planOf: () => PLAN,
      from: null,
      erasedAs: hashOf(key),
      deleted: { tombstone: run.cache.get(key, PLAN)?.tombstone ?? null, datasetDeletes: run.fold.deletions.datasets },
    });
    const listed = aboutOne(log, id, random.below(2) === 0).flatMap((message) => events.take(message)?.message.id ?? []);
    expect({ seed, id, ids: listed.sort() }).toEqual({ seed, id, ids: [...(view.computed['ids']!.value as string[])].sort() });
    expect(listed.length).toBe(view.computed['all']!.value);
    compared += listed.length;
  }
  return compared;
}

describe('listed and counted agree', () => {
  test.each<[string, Options, number]>([
    ['with deletes, under the log clock', { clock: 'log', deletes: true }, 150],
    ['without deletes, under the log clock', { clock: 'log', deletes: false }, 50],
    ['without deletes, under the event clock', { clock: 'event', deletes: false }, 50],
  ])('%s', (_, options, seeds) => {
    let compared = 0;
    for (let seed = 0; seed < seeds; seed++) compared += compare(seed, options);
    expect(compared).toBeGreaterThan(seeds);
  });
});
