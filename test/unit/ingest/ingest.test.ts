// A file through fake ports: what a run does with every answer it can get.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import { ingest, type IngestOptions, type IngestReport, type Progress } from '../../../src/ingest/ingest.ts';
import { parseIngestMap } from '../../../src/ingest/ingest_map.ts';
import type { PositionRecord } from '../../../src/ingest/position.ts';
import type { RowRules } from '../../../src/ingest/row_message.ts';

const NOW = Date.UTC(2026, 0, 2);
const DAY_MS = 86_400_000;
const LINES = Array.from(
  { length: 20 },
  (_, i) => `{"_id":"e${i + 1}","timestamp":"2026-01-01T00:00:${String(i).padStart(2, '0')}.000Z"}`,
);

const EVENTS: RowRules = {
  behavior: 'event',
  operation: 'create',
  identityOf: () => ({ namespace: 'customerId', id: 'ada' }),
};

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'visage-ingest-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class Fake {
  /** Message ids by sequence - 1, and the bodies. */
  readonly log: { id: string; body: string }[] = [];
  readonly times: number[] = [];
  first = 1;
  created = 'one';
  keys = new Map<string, { value: string; revision: number }>();
  nowMs = NOW;
  answer: (row: number, tries: number) => VisageError | undefined = () => undefined;
  /** How often a port fails, and how long it takes. */
  readonly broken = new Map<string, number>();
  readonly slowMs = new Map<string, number>();
  breakage = (port: string): VisageError => new VisageError('unavailable', `no ${port}`, { kind: 'retry' });
  private readonly tries = new Map<string, number>();

  async run(lines: readonly string[], options: Partial<IngestOptions> = {}): Promise<IngestReport> {
    const path = join(folder, 'file.ndjson');
    writeFileSync(path, `${lines.join('\n')}\n`);
    return ingest({
      path,
      format: 'ndjson',
      dataset: 'orders',
      map: null,
      rules: EVENTS,
      sender: {
        ready: () => Promise.resolve(),
        waitingFor: null,
        send: (_dataset, body, { messageId }) => {
          const tries = (this.tries.get(messageId) ?? 0) + 1;
          this.tries.set(messageId, tries);
          const error = this.answer(Number(messageId.split('-')[1]), tries);
          if (error !== undefined) return Promise.reject(error);
          return Promise.resolve({ sequence: this.first + this.log.push({ id: messageId, body }) - 1 });
        },
      },
      log: {
        state: async () => {
          await this.port('state');
          return { created: this.created, firstSequence: this.first, lastSequence: this.first + this.log.length - 1 };
        },
        messageIdsAfter: (sequence) => this.idsAfter(sequence),
        moveTime: async (timeMs) => {
          await this.port('time');
          this.times.push(timeMs);
        },
      },
      positionOf: (key) => ({
        name: `the key ${key}`,
        read: async () => {
          await this.port('read');
          return { value: this.keys.get(key)?.value, revision: this.keys.get(key)?.revision ?? 0 };
        },
        write: async (value, revision) => {
          await this.port('write');
          this.keys.set(key, { value, revision: revision + 1 });
          return revision + 1;
        },
      }),
      now: () => this.nowMs,
      maxFutureSkewMs: 300_000,
      dedupeHorizonMs: 7 * DAY_MS,
      signal: new AbortController().signal,
      ...options,
    });
  }

  get record(): PositionRecord {
    return JSON.parse([...this.keys.values()][0]!.value) as PositionRecord;
  }

  change(changes: Partial<PositionRecord>): void {
    for (const [key, { revision }] of this.keys)
      this.keys.set(key, { value: JSON.stringify({ ...this.record, ...changes }), revision });
  }

  /** As a crash leaves it: the position at `rows`, nothing said about what came after. */
  crashedAt(rows: number): void {
    this.change({ state: 'running', rows, sent: rows, refused: 0, refusals: [], scanFrom: rows, logSequence: rows, run: null });
  }

  private async port(name: string): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.slowMs.get(name) ?? 0));
    const left = this.broken.get(name) ?? 0;
    if (left === 0) return;
    this.broken.set(name, left - 1);
    throw this.breakage(name);
  }

  private async *idsAfter(sequence: number): AsyncGenerator<string> {
    await this.port('ids');
    for (const { id } of this.log.slice(Math.max(0, sequence - this.first + 1))) yield await Promise.resolve(id);
  }
}

const refused = (code: string, kind: VisageError['kind']): VisageError => new VisageError(code, `the reason ${code}`, { kind });

test('all rows, then time moves to the greatest timestamp that counts, then done; a second run sends nothing', async () => {
  const fake = new Fake();
  const late = ['{"_id":"f","timestamp":"2026-01-02T00:05:00.001Z"}', '{"_id":"g","timestamp":"2026-01-02T00:04:59.000Z"}'];
  const progress: Progress[] = [];
  const report = await fake.run([...LINES, ...late], { onProgress: (now) => progress.push(now) });
  expect(report).toMatchObject({
    state: 'done',
    rows: 22,
    sent: 22,
    skipped: 0,
    refused: 0,
    greatestTimestamp: '2026-01-02T00:04:59.000Z',
  });
  expect(fake.log.map(({ body }) => body)).toEqual([...LINES, ...late]);
  expect(fake.times).toEqual([Date.UTC(2026, 0, 2, 0, 4, 59)]);
  expect(fake.record).toMatchObject({ state: 'done', rows: 22, sent: 22, logSequence: 22 });
  expect(progress.at(-1)).toMatchObject({ rows: 22 });
  expect(progress.at(-1)!.readBytes).toBe(progress.at(-1)!.fileBytes);
  expect(await fake.run([...LINES, ...late])).toMatchObject({
    state: 'already',
    rows: 22,
    sent: 0,
    skipped: 22,
    mapDiffers: false,
  });
  expect(fake.log.length).toBe(22);
});

test('rows that are refused are counted with line and reason, and stop nothing; the others are tried until they are in', async () => {
  const fake = new Fake();
  fake.answer = (row, tries) => {
    if (row === 3) return refused('no_identity', 'refuse');
    if (row === 5) return refused('too_large', 'usage');
    if (row === 7 && tries < 3) return refused('unknown', 'retry');
    if (row === 8 && tries < 2) return refused('log_full', 'retry');
    return undefined;
  };
  const report = await fake.run(['', ...LINES.slice(0, 9), 'geheim', ...LINES.slice(9)]);
  expect(report).toMatchObject({
    state: 'done',
    rows: 21,
    sent: 18,
    refused: 3,
    refusals: [
      { line: 4, reason: 'the reason no_identity' },
      { line: 6, reason: 'the reason too_large' },
      { line: 11, reason: 'not JSON' },
    ],
  });
  expect(new Set(fake.log.map(({ id }) => id)).size).toBe(fake.log.length);
});

test('an answer of the log that nobody knows is not about the row: the run stops, and the rows are not lost', async () => {
  for (const [code, kind] of [
    ['refused', 'refuse'],
    ['bad_header', 'usage'],
  ] as const) {
    const fake = new Fake();
    fake.answer = (row) => (row > 12 ? refused(code, kind) : undefined);
    await expect(fake.run(LINES)).rejects.toMatchObject({ code });
    expect(fake.record).toMatchObject({ state: 'running', rows: 12, refused: 0, run: null });
    fake.answer = () => undefined;
    expect(await fake.run(LINES)).toMatchObject({ state: 'done', rows: 20, refused: 0 });
  }
});

test('an empty _id is refused with its line', async () => {
  const report = await new Fake().run([LINES[0]!, '{"_id":null}', '{"_id":""}', LINES[1]!]);
  expect(report).toMatchObject({ state: 'done', sent: 2, refused: 2 });
  expect(report.refusals).toEqual([
    { line: 2, reason: '_id is empty' },
    { line: 3, reason: '_id is empty' },
  ]);
});

test('a connection that breaks at the start, in the scan and at the end is waited for, and said', async () => {
  const fake = new Fake();
  await fake.run(LINES);
  fake.crashedAt(4);
  fake.log.splice(10);
  const waits = new Set<string>();
  for (const port of ['read', 'state', 'write', 'ids', 'time']) fake.broken.set(port, 2);
  const onProgress = ({ waitingFor }: Progress): void => void waits.add(waitingFor ?? '');
  expect(await fake.run(LINES, { onProgress })).toMatchObject({ state: 'done', rows: 20, skipped: 10, sent: 10 });
  expect(fake.log.length).toBe(20);
  for (const port of ['read', 'state', 'write', 'ids', 'time']) expect(waits).toContain(`no ${port}`);
});

test('waiting at the start ends with the signal; a missing right is not waited for', async () => {
  const fake = new Fake();
  fake.broken.set('state', Infinity);
  expect(await fake.run(LINES, { signal: AbortSignal.timeout(150) })).toMatchObject({ state: 'interrupted', rows: 0 });
  const cause = Object.assign(new Error('Permissions Violation'), { name: 'PermissionViolationError' });
  fake.breakage = (port) => new VisageError('unavailable', `no ${port}`, { kind: 'retry', cause });
  await expect(fake.run(LINES)).rejects.toMatchObject({ message: 'no state' });
});

test('the position is written every second while the log is scanned and while time is moved; a signal ends a scan', async () => {
  const fake = new Fake();
  await fake.run(LINES);
  const revision = (): number => [...fake.keys.values()][0]!.revision;
  fake.crashedAt(4);
  const before = revision();
  fake.slowMs.set('ids', 2_500).set('time', 2_500);
  const waits: string[] = [];
  const onProgress = ({ waitingFor }: Progress): void => void waits.push(waitingFor ?? '');
  expect(await fake.run(LINES, { onProgress })).toMatchObject({ state: 'done' });
  expect(revision() - before).toBeGreaterThanOrEqual(1 + 2 + 2 + 1);
  expect(waits).toContain('reading in the log what an earlier run stored, 0 messages so far');
  fake.crashedAt(4);
  fake.slowMs.set('ids', 60_000);
  expect(await fake.run(LINES, { signal: AbortSignal.timeout(100) })).toMatchObject({ state: 'interrupted', rows: 4 });
  expect(fake.record).toMatchObject({ rows: 4, scanFrom: 4, run: null });
}, 15_000);

test('no right to publish ends it, with the position kept; then it goes on', async () => {
  const fake = new Fake();
  fake.answer = (row) => (row > 12 ? refused('not_allowed', 'usage') : undefined);
  await expect(fake.run(LINES)).rejects.toMatchObject({
    code: 'not_allowed',
    message: expect.stringContaining('The first 12 rows are ingested') as string,
  });
  expect(fake.record).toMatchObject({ state: 'running', rows: 12, run: null });
  fake.answer = () => undefined;
  expect(await fake.run(LINES)).toMatchObject({ state: 'done', rows: 20, sent: 8, skipped: 12 });
  expect(fake.log.length).toBe(20);
});

test('rows that a killed run had stored beyond its position are found in the log, however late', async () => {
  const fake = new Fake();
  await fake.run(LINES);
  const whole = fake.log.splice(0);
  fake.log.push(...whole.slice(0, 8), whole[10]!, whole[9]!);
  fake.crashedAt(4);
  fake.nowMs += 300 * DAY_MS;
  expect(await fake.run(LINES)).toMatchObject({
    state: 'done',
    rows: 20,
    sent: 10,
    skipped: 10,
    greatestTimestamp: '2026-01-01T00:00:19.000Z',
  });
  expect(fake.log.map(({ id }) => Number(id.split('-')[1])).sort((a, b) => a - b)).toEqual(LINES.map((_, i) => i + 1));
});

test('a log trimmed past what a resume needs: refused when the _ids are forgotten, else the _ids do it', async () => {
  const fake = new Fake();
  await fake.run(LINES);
  fake.crashedAt(4);
  fake.log.splice(0, 10);
  fake.first = 11;
  fake.nowMs += 8 * DAY_MS;
  await expect(fake.run(LINES)).rejects.toMatchObject({
    code: 'log_trimmed',
    message: expect.stringContaining('rows after 4') as string,
  });
  fake.nowMs -= 2 * DAY_MS;
  expect(await fake.run(LINES)).toMatchObject({ state: 'done', rows: 20 });
});

test('another log, or one that lost messages, is refused', async () => {
  const fake = new Fake();
  await fake.run(LINES);
  fake.log.pop();
  await expect(fake.run(LINES)).rejects.toMatchObject({
    code: 'log_changed',
    message: expect.stringContaining('delete the key ingest.orders.') as string,
  });
  fake.log.push({ id: '', body: '' });
  fake.created = 'two';
  await expect(fake.run(LINES)).rejects.toMatchObject({ code: 'log_changed' });
});

test('another map: noted when done, refused while half done', async () => {
  const fake = new Fake();
  await fake.run(LINES);
  const map = parseIngestMap('map.yaml', 'identity: { namespace: a, column: _id }\ntimestamp: { column: timestamp }\n');
  expect(await fake.run(LINES, { map })).toMatchObject({ state: 'already', mapDiffers: true });
  fake.crashedAt(4);
  await expect(fake.run(LINES, { map })).rejects.toMatchObject({ code: 'ingest_differs' });
});

test('a signal stops it in order', async () => {
  const fake = new Fake();
  const stop = new AbortController();
  fake.answer = (row) => {
    if (row === 6) stop.abort();
    return undefined;
  };
  const report = await fake.run(LINES, { signal: stop.signal });
  expect(report).toMatchObject({ state: 'interrupted', finishedAt: null });
  expect(report.rows).toBeGreaterThanOrEqual(6);
  expect(report.rows).toBeLessThan(20);
  expect(fake.record).toMatchObject({ state: 'running', rows: report.rows, run: null });
  expect(fake.times).toEqual([]);
  expect(await fake.run(LINES)).toMatchObject({ state: 'done', skipped: report.rows, sent: 20 - report.rows });
  expect(fake.log.length).toBe(20);
});
