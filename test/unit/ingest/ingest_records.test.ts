// A file of records through fake ports: order, operations, and no clock to move.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import { ingest, type IngestReport } from '../../../src/ingest/ingest.ts';
import type { RowRules } from '../../../src/ingest/row_message.ts';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'visage-records-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Stored = { readonly who: string; readonly body: string; readonly id: string; readonly operation: string | undefined };

class FakeLog {
  readonly stored: Stored[] = [];
  readonly keys = new Map<string, { value: string; revision: number }>();
  times = 0;
  /** Called before a message is stored; what it throws is the producer's answer. */
  before: (body: string, tries: number) => Promise<void> = () => Promise.resolve();
  private readonly tries = new Map<string, number>();

  async run(lines: readonly string[], operation: RowRules['operation'] = 'create'): Promise<IngestReport> {
    const path = join(folder, 'file.ndjson');
    writeFileSync(path, `${lines.join('\n')}\n`);
    return ingest({
      path,
      format: 'ndjson',
      dataset: 'crm',
      map: null,
      rules: { behavior: 'record', operation, identityOf: ({ who }) => ({ namespace: 'email', id: String(who) }) },
      sender: {
        ready: () => Promise.resolve(),
        waitingFor: null,
        send: async (_dataset, body, { messageId, identity, operation: what }) => {
          const tries = (this.tries.get(messageId) ?? 0) + 1;
          this.tries.set(messageId, tries);
          await this.before(body, tries);
          return { sequence: this.stored.push({ who: identity.id, body, id: messageId, operation: what }) };
        },
      },
      log: {
        state: () => Promise.resolve({ created: 'one', firstSequence: 1, lastSequence: this.stored.length }),
        messageIdsAfter: () => nothing(),
        moveTime: () => Promise.resolve(void this.times++),
      },
      positionOf: (key) => ({
        name: `the key ${key}`,
        read: () => Promise.resolve({ value: this.keys.get(key)?.value, revision: this.keys.get(key)?.revision ?? 0 }),
        write: (value, revision) => {
          this.keys.set(key, { value, revision: revision + 1 });
          return Promise.resolve(revision + 1);
        },
      }),
      now: () => Date.UTC(2026, 0, 2),
      maxFutureSkewMs: 300_000,
      dedupeHorizonMs: 1_000,
      signal: new AbortController().signal,
    });
  }

  of(who: string): string[] {
    return this.stored.filter((message) => message.who === who).map(({ body }) => body);
  }
}

async function* nothing(): AsyncGenerator<string> {
  yield* await Promise.resolve([]);
}

const line = (who: string, n: number): string => `{"_id":"${who}${n}","who":"${who}","n":${n}.0}`;

test('records of one identity keep the order of the file, also when an earlier one has to be sent again; others do not wait', async () => {
  const log = new FakeLog();
  const lines = [line('a', 1), line('a', 2), line('b', 1), line('a', 3), line('c', 1), line('b', 2)];
  log.before = (body, tries) =>
    body === lines[0] && tries < 3
      ? Promise.reject(new VisageError('unknown', 'no answer', { kind: 'retry' }))
      : Promise.resolve();
  expect(await log.run(lines)).toMatchObject({ state: 'done', rows: 6, sent: 6 });
  expect(log.of('a')).toEqual([line('a', 1), line('a', 2), line('a', 3)]);
  expect(log.of('b')).toEqual([line('b', 1), line('b', 2)]);
  expect(log.stored[0]!.who).not.toBe('a');
});

test('one that is refused does not hold up the next of its identity', async () => {
  const log = new FakeLog();
  log.before = (body) =>
    body === line('a', 1) ? Promise.reject(new VisageError('too_large', 'too large', { kind: 'refuse' })) : Promise.resolve();
  expect(await log.run([line('a', 1), line('a', 2)])).toMatchObject({ state: 'done', sent: 1, refused: 1 });
  expect(log.of('a')).toEqual([line('a', 2)]);
});

test('no time is moved, whatever they say of it', async () => {
  const log = new FakeLog();
  const report = await log.run(['{"_id":"1","who":"a","timestamp":"2026-01-01T00:00:00Z"}']);
  expect([report.greatestTimestamp, log.times]).toEqual([null, 0]);
});

test('the same file with another operation is another ingestion, each of them once', async () => {
  const log = new FakeLog();
  const lines = ['{"who":"a"}', '{"header":{"operations":{"data":"create"}},"body":{"xdmEntity":{"who":"b"}}}'];
  expect(await log.run(lines)).toMatchObject({ state: 'done', sent: 2 });
  expect(await log.run(lines, 'delete')).toMatchObject({ state: 'done', sent: 2 });
  expect(await log.run(lines)).toMatchObject({ state: 'already', sent: 0, skipped: 2 });
  expect(await log.run(lines, 'delete')).toMatchObject({ state: 'already', sent: 0 });
  expect(log.stored.map(({ who, operation }) => [who, operation])).toEqual([
    ['a', 'create'],
    ['b', 'create'],
    ['a', 'delete'],
    ['b', 'create'],
  ]);
  const ids = log.stored.map(({ body }) => (JSON.parse(body) as { _id: string })._id);
  expect(new Set(ids).size).toBe(4);
  expect(ids[0]!.replace('-1', '-delete-1')).toBe(ids[2]);
  expect(new Set(log.stored.map(({ id }) => id)).size).toBe(4);
  expect([...log.keys.keys()].map((key) => key.split('.').slice(3))).toEqual([[], ['delete']]);
});
