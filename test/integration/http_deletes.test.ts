// Deletes and erasures over HTTP, with a real worker: what they do, what they refuse, and that the audit log has each of them and nobody's id.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../src/api/audit.ts';
import { jobOf, receiptOf } from '../../src/worker/erase_jobs.ts';
import type { Client } from '../../src/worker/client.ts';
import { ask, problemOf, type Answer } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { startWorld, type StartedWorker, type World } from '../support/world.ts';

const HASH = /^[0-9a-f]{64}$/;

let world: World;
let started: StartedWorker;
let client: Client;
let events = 0;

beforeAll(async () => {
  world = await startWorld();
  started = await world.startReady({}, { setup: true, definitions: world.document });
  client = await world.client();
});
afterAll(() => world.stop());

const call = (method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  ask(started.worker.ports.httpPort, path, { method, headers });
const pathOf = (id: string): string => `/profiles/customerId/${encodeURIComponent(id)}`;
const buy = (id: string, dataset = 'orders'): Promise<number> =>
  publishAll([purchase(id, { _id: `e-${++events}`, atMs: Date.now() - 1_000, dataset })], { nc: client.nc });
const json = <T>({ text }: Answer): T => JSON.parse(text) as T;

/** The audit log from an entry on. */
function audit(from = 0): AuditEntry[] {
  const lines = started.log.map((line) => JSON.parse(line) as { audit?: AuditEntry; level: number });
  return lines.flatMap(({ audit: entry, level }) => (entry !== undefined && level === 30 ? [entry] : [])).slice(from);
}

describe('a profile', () => {
  test('is deleted as of where the answer says; what comes later counts again', async () => {
    const id = 'secret/ä@one';
    await buy(id);
    const before = audit().length;
    const answer = await call('DELETE', pathOf(id));
    expect(answer).toMatchObject({ status: 202, type: 'application/json; charset=utf-8', cache: 'no-store' });
    const { shard, sequence } = json<{ shard: number; sequence: number }>(answer);
    const gone = await ask(started.worker.ports.httpPort, `${pathOf(id)}?after=${sequence}`);
    expect(problemOf(gone)).toMatchObject({ status: 404, code: 'not_found' });
    expect((await client.message('log', sequence))!.subject).toMatch(
      new RegExp(`^visage\\.log\\.${shard}\\.in\\._profile\\.customerId\\.`),
    );
    expect(audit(before)).toEqual([
      {
        who: null,
        action: 'delete_profile',
        shard,
        hash: expect.stringMatching(HASH) as string,
        outcome: 'accepted',
        status: 202,
        sequence,
        requestId: expect.any(String) as string,
      },
    ]);
  });

  test('is erased: the same name in the audit log, the answer and the receipt', async () => {
    const id = 'secret-two';
    await buy(id);
    const before = audit().length;
    const answer = await call('POST', `${pathOf(id)}/erase`);
    expect(answer.status).toBe(202);
    const { shard, hash, request } = json<{ shard: number; hash: string; request: string }>(answer);
    expect(audit(before)).toMatchObject([{ who: null, action: 'erase_profile', shard, hash, outcome: 'accepted', status: 202 }]);
    const receipt = await eventually(
      'it is done',
      async () => {
        const job = await jobOf(client.meta, shard, hash);
        return job === undefined ? undefined : receiptOf(job, request);
      },
      { timeoutMs: 40_000 },
    );
    expect(receipt).toMatchObject({ hash, shard, messages: 1 });
    expect((await call('GET', pathOf(id))).status).toBe(404);
  }, 60_000);

  test.each<[string, string, string, string]>([
    ['DELETE', '/profiles/secret/1', 'unknown_namespace', 'a namespace that is not defined'],
    ['DELETE', '/profiles/secret%40x/1', 'bad_identity', 'a namespace that is none'],
    ['DELETE', '/profiles/customerId/anonymous', 'blocked_id', 'an id that says nobody'],
    ['DELETE', '/profiles/customerId/', 'bad_identity', 'no id'],
    ['DELETE', '/profiles/customerId/secret?dataset=orders', 'bad_query', 'a parameter'],
    ['POST', '/profiles/secret/1/erase', 'unknown_namespace', 'to erase in a namespace that is not defined'],
    ['POST', '/profiles/secret%40x/1/erase', 'bad_identity', 'to erase in a namespace that is none'],
    ['POST', '/profiles/customerId/secret/erase?force=1', 'bad_query', 'to erase with a parameter'],
  ])('%s %s is refused: %s (%s)', async (method, path, code) => {
    const before = audit().length;
    const { lastSequence } = await client.streamState('log');
    const answer = await call(method, path);
    expect(problemOf(answer)).toMatchObject({ status: 422, code });
    expect(answer.text).not.toContain('secret');
    expect(audit(before)).toMatchObject([{ outcome: 'refused', status: 422, code }]);
    for await (const { subject } of client.readDataset('_profile', lastSequence)) expect(subject).toBe('nothing');
  });

  test('takes no body', async () => {
    const options = { method: 'DELETE', headers: { 'content-type': 'application/json' }, body: '{}' };
    const answer = await ask(started.worker.ports.httpPort, pathOf('secret-three'), options);
    expect(problemOf(answer)).toMatchObject({ status: 415, code: 'unsupported_type' });
  });
});

describe('a dataset', () => {
  test.each(['', '?confirm=', '?confirm=orders', '?confirm=REFUNDS', '?confirm=refunds&confirm=refunds', '?confirmed=refunds'])(
    'is not deleted by accident: %s',
    async (query) => {
      const before = audit().length;
      const { lastSequence } = await client.streamState('log');
      const problem = problemOf(await call('DELETE', `/datasets/refunds/profiles${query}`));
      expect([problem.status, problem.code]).toEqual([422, expect.stringMatching(/^(not_confirmed|bad_query)$/)]);
      expect(audit(before)).toMatchObject([{ action: 'delete_dataset', dataset: 'refunds', outcome: 'refused', status: 422 }]);
      for await (const { subject } of client.readLog(0)) expect(subject).not.toContain('ctl.deleteDataset');
      expect((await client.streamState('log')).lastSequence - lastSequence).toBeLessThan(1_000); // ticks
    },
  );

  test('that is not defined', async () => {
    const before = audit().length;
    const answer = await call('DELETE', '/datasets/secret/profiles?confirm=secret');
    expect(problemOf(answer)).toMatchObject({ status: 404, code: 'unknown_dataset' });
    expect(answer.text).not.toContain('secret');
    const [entry] = audit(before);
    expect(entry).toMatchObject({ action: 'delete_dataset', outcome: 'refused', status: 404, code: 'unknown_dataset' });
    expect(entry).not.toHaveProperty('dataset');
  });

  test('is told to every shard; asked again, a shard that has heard nothing since is not told twice', async () => {
    const id = 'secret-four';
    await buy(id, 'refunds');
    const last = await buy(id);
    expect((await client.profile({ namespace: 'customerId', id, after: last }))?.computed['spendLifetime']?.value).toBe(20);
    const before = audit().length;
    const answer = await call('DELETE', '/datasets/refunds/profiles?confirm=refunds');
    expect(answer.status).toBe(202);
    type Told = { dataset: string; shards: { shard: number; sequence: number; time: string }[] };
    const { dataset, shards } = json<Told>(answer);
    expect([dataset, shards.map(({ shard }) => shard)]).toEqual(['refunds', [0, 1, 2, 3]]);
    for (const { time } of shards) expect(new Date(time).toISOString()).toBe(time);
    const sequences = shards.map(({ sequence }) => sequence);
    expect(audit(before)).toMatchObject([{ dataset: 'refunds', outcome: 'accepted', status: 202, sequence: sequences }]);
    const after = Math.max(...sequences);
    await eventually('it is applied', async () => {
      const view = await client.profile({ namespace: 'customerId', id, after: Math.min(...sequences) });
      return view?.computed['spendLifetime']?.value === 10;
    });
    expect(after).toBeGreaterThan(last);
    expect(json<Told>(await call('DELETE', '/datasets/refunds/profiles?confirm=refunds')).shards).toEqual(shards);
  });
});

test('the audit log has one entry for each of them, each with a request of its own, and no id is anywhere in the log', () => {
  const entries = audit();
  expect(entries.length).toBeGreaterThan(15);
  expect(new Set(entries.map(({ requestId }) => requestId)).size).toBe(entries.length);
  expect(started.log.join('')).not.toMatch(/secret|anonymous|@one|%40/);
});
