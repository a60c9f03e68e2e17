// The view of a profile: what records say under a policy; that reading under one policy leaves no trace in another.
import { expect, test } from 'vitest';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { parseDefinitionsDocument } from '../../../src/definitions/load_definitions.ts';
import { FoldRun, LogWriter } from './fold_run.ts';

const START = Date.UTC(2026, 2, 10, 9);
const PLAN = compilePlan(
  parseDefinitionsDocument(`
version: 1
namespaces: { customerId: { type: person, priority: 1 } }
schemas:
  purchase: { class: individual, behavior: event, jsonSchema: { type: object, properties: { price: { type: number } } } }
  customer: { class: individual, behavior: record, jsonSchema: { type: object } }
datasets:
  orders: { schema: purchase, profile: true }
  crm: { schema: customer, profile: true }
  loyalty: { schema: customer, profile: true }
mergePolicies:
  default: { class: individual, attributes: timestampOrdered, stitching: none, default: true }
  crmFirst: { class: individual, attributes: { dataSetPrecedence: [crm] }, stitching: none }
  graph: { class: individual, attributes: timestampOrdered, stitching: graph }
computedAttributes:
  spend: { class: individual, value: event.price, function: sum, window: lifetime }
`),
);

test('attributes by the policy, everything else as it is', () => {
  const run = new FoldRun(PLAN, 1e9);
  const log = new LogWriter();
  log.definitions(PLAN, START);
  log.write('c', { name: 'Ada', city: 'London' }, START + 1, { dataset: 'crm' });
  log.write('c', { name: 'A.', tier: 'gold' }, START + 2, { dataset: 'loyalty' });
  log.event('c', { _id: 'e', timestamp: new Date(START).toISOString(), price: 5 }, START + 3);
  for (const message of log.messages) run.apply(message);
  const key = 'customerId.c';
  const byTime = { name: 'A.', city: 'London', tier: 'gold' };
  const rest = { computed: { spend: { value: 5 } }, version: 4, shard: 0, sequence: 4, time: '2026-03-10T09:00:00.003Z' };
  for (let n = 0; n < 2; n++) {
    expect(run.view(key, 'crmFirst')).toMatchObject({ ...rest, policy: 'crmFirst', attributes: { name: 'Ada', city: 'London' } });
    expect(run.view(key)).toMatchObject({ ...rest, policy: 'default', attributes: byTime });
    expect(run.view(key, 'graph')).toMatchObject({ ...rest, policy: 'graph', stitching: 'none', attributes: byTime });
  }
  expect(run.view(key)).not.toHaveProperty('stitching');
  expect(run.view(key, 'crmFirst')!.attributes).not.toHaveProperty('tier');
  expect(() => run.view(key, 'secret')).toThrow(
    expect.objectContaining({ code: 'no_such_policy', message: expect.not.stringContaining('secret') as string }),
  );
});

test('a profile of events alone has empty attributes', () => {
  const run = new FoldRun(PLAN, 1e9);
  const log = new LogWriter();
  log.definitions(PLAN, START);
  log.event('c', { _id: 'e', timestamp: new Date(START).toISOString() }, START);
  for (const message of log.messages) run.apply(message);
  expect(run.view('customerId.c')).toMatchObject({ attributes: {}, policy: 'default', audiences: [] });
});
