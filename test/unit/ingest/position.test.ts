// What a resume relies on: PO1–PO3, against brute force, with a crash wherever it likes.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AckWindow, EMPTY_TALLY } from '../../../src/ingest/ack_window.ts';
import { VisageError } from '../../../src/base/errors.ts';
import type { PositionStore } from '../../../src/ingest/ingest_ports.ts';
import { PositionKeeper, readPosition, refuseRunning, type PositionRecord } from '../../../src/ingest/position.ts';

const START = { map: null, format: 'ndjson', logCreated: 'x', startedAt: '2026-01-01T00:00:00.000Z' };

function memoryStore(): PositionStore & { value: string | undefined; revision: number } {
  return {
    name: 'memory',
    value: undefined,
    revision: 0,
    read() {
      return Promise.resolve({ value: this.value, revision: this.revision });
    },
    write(value, revision) {
      if (revision !== this.revision) return Promise.reject(new VisageError('conflict', 'conflict', { kind: 'retry' }));
      this.value = value;
      return Promise.resolve(++this.revision);
    },
  };
}

test('settled in any order, counted in order', () => {
  const window = new AckWindow(EMPTY_TALLY);
  window.settle(3, { kind: 'refused', line: 30, reason: 'b' });
  window.settle(2, { kind: 'sent', timestampMs: 7 });
  expect(window.tally).toEqual(EMPTY_TALLY);
  window.settle(1, { kind: 'refused', line: 10, reason: 'a' });
  window.settle(4, { kind: 'skipped', timestampMs: NaN });
  expect(window.tally).toEqual({
    rows: 4,
    sent: 2,
    refused: 2,
    refusals: [
      { line: 10, reason: 'a' },
      { line: 30, reason: 'b' },
    ],
    greatestTimestampMs: 7,
  });
  expect(window.skipped).toBe(1);
});

const ROWS = 12;
/** What may happen next in a run; `n` picks among what can. */
const step = fc.record({
  what: fc.constantFrom('send', 'send', 'store', 'store', 'ack', 'ack', 'foreign', 'lose', 'write', 'write', 'crash'),
  n: fc.nat(1000),
});

test('after any crash the log from scanFrom on tells exactly which later rows it has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
      const store = memoryStore();
      const log: number[] = [0]; // by sequence; 0: somebody else's
      let clock = 0;
      const now = (): number => (clock += 1000);
      let run = await begin();

      async function begin(): Promise<{
        keeper: PositionKeeper;
        window: AckWindow;
        under: Map<number, number>;
        present: Set<number>;
        next: number;
      }> {
        const { record, revision } = await readPosition(store);
        const keeper = new PositionKeeper(
          store,
          now,
          {
            ...START,
            revision,
            scanFrom: record?.scanFrom ?? log.length,
            scanFromAt: record?.scanFromAt ?? START.startedAt,
            logSequence: record?.logSequence ?? log.length,
          },
          record?.rows ?? 0,
        );
        const window = new AckWindow(record === undefined ? EMPTY_TALLY : { ...record, greatestTimestampMs: null });
        await keeper.write(window.tally, 'running');
        const all = log.filter((row) => row > window.position);
        const found = log.slice(record?.scanFrom ?? log.length).filter((row) => row > window.position);
        expect(new Set(found)).toEqual(new Set(all)); // PO2
        const logged = new Set(log);
        for (let row = 1; row <= window.position; row++) expect(logged.has(row)).toBe(true); // PO1
        for (const row of found) keeper.left(row);
        return { keeper, window, under: new Map(), present: new Set(found), next: window.position + 1 };
      }
      const pick = (n: number, which: (sequence: number) => boolean): number | undefined => {
        const rows = [...run.under].filter(([, sequence]) => which(sequence)).map(([row]) => row);
        return rows[n % Math.max(1, rows.length)];
      };
      const stored = (row: number): void => {
        if (!log.slice(-40).includes(row)) log.push(row); // the duplicate window
        run.under.set(row, log.lastIndexOf(row) + 1);
      };
      for (const { what, n } of steps) {
        const waiting = pick(n, (sequence) => sequence === 0);
        const answered = pick(n, (sequence) => sequence > 0);
        if (what === 'send' && run.next <= ROWS) {
          const row = run.next++;
          if (run.present.has(row)) run.window.settle(row, { kind: 'skipped', timestampMs: NaN });
          else {
            run.keeper.sending(row);
            run.under.set(row, 0);
          }
        } else if (what === 'store' && waiting !== undefined) stored(waiting);
        else if (what === 'ack' && answered !== undefined) {
          run.keeper.acknowledge(run.under.get(answered)!);
          run.window.settle(answered, { kind: 'sent', timestampMs: NaN });
          run.under.delete(answered);
        } else if (what === 'lose' && answered !== undefined)
          run.under.set(answered, 0); // sent again
        else if (what === 'foreign') log.push(0);
        else if (what === 'write') await run.keeper.write(run.window.tally, 'running');
        else if (what === 'crash') {
          if (waiting !== undefined && n % 2 === 0) stored(waiting); // it was on its way
          for (let i = 0; i < 50; i++) log.push(0); // however late: no duplicate window helps
          run = await begin();
        }
      }
      const copies = log.filter((row) => row > 0);
      expect(copies.length).toBe(new Set(copies).size);
    }),
    { numRuns: 400 },
  );
});

test('scanFrom follows: a resume does not read the whole log', async () => {
  const store = memoryStore();
  const keeper = new PositionKeeper(
    store,
    () => 0,
    { ...START, revision: 0, scanFrom: 100, scanFromAt: START.startedAt, logSequence: 100 },
    0,
  );
  const window = new AckWindow(EMPTY_TALLY);
  const scanFrom = async (): Promise<number> => {
    await keeper.write(window.tally, 'running');
    return (JSON.parse(store.value!) as PositionRecord).scanFrom;
  };
  expect(await scanFrom()).toBe(100);
  for (let row = 1; row <= 10; row++) keeper.sending(row);
  for (let row = 1; row <= 5; row++) {
    keeper.acknowledge(100 + row);
    window.settle(row, { kind: 'sent', timestampMs: NaN });
  }
  expect(await scanFrom()).toBe(100);
  expect(await scanFrom()).toBe(100); // rows 6 to 10 may be in the log before 105
  for (let row = 6; row <= 10; row++) window.settle(row, { kind: 'sent', timestampMs: NaN });
  expect(await scanFrom()).toBe(105);
});

test('a run whose key another one has written stops; its own lost answer does not stop it', async () => {
  const store = memoryStore();
  const start = { ...START, scanFrom: 0, scanFromAt: START.startedAt, logSequence: 0 };
  const first = new PositionKeeper(store, () => 0, { ...start, revision: 0 }, 0);
  await first.write(EMPTY_TALLY, 'running');
  store.revision++; // as if the answer to a write of its own had been lost
  await first.write(EMPTY_TALLY, 'running');
  const second = new PositionKeeper(store, () => 0, { ...start, revision: store.revision }, 0);
  await second.write(EMPTY_TALLY, 'running');
  await expect(first.write(EMPTY_TALLY, 'running')).rejects.toMatchObject({ code: 'ingest_taken' });
  await second.write(EMPTY_TALLY, 'running');
});

test('a run that is seen writing is not taken over; one that was killed is, after a while, one that stopped in order at once', async () => {
  const store = memoryStore();
  const keeper = new PositionKeeper(
    store,
    () => 5_000,
    { ...START, revision: 0, scanFrom: 0, scanFromAt: START.startedAt, logSequence: 0 },
    0,
  );
  await keeper.write(EMPTY_TALLY, 'running');
  const read = (): ReturnType<typeof readPosition> => readPosition(store);
  const waits: number[] = [];
  const pause = (ms: number): Promise<void> => Promise.resolve(void waits.push(ms));
  const found = await read();
  expect(await refuseRunning(read, found, pause)).toEqual(found); // killed
  const alive = refuseRunning(read, found, () => keeper.write(EMPTY_TALLY, 'running'));
  await expect(alive).rejects.toMatchObject({ code: 'ingest_running' });
  const done = await refuseRunning(read, await read(), () => keeper.write(EMPTY_TALLY, 'done'));
  expect(done.record?.state).toBe('done');
  await keeper.write(EMPTY_TALLY, 'running', false);
  expect((await refuseRunning(read, await read(), pause)).record?.run).toBeNull();
  expect(waits).toEqual([3_000]); // whatever the clocks of the two machines say
  store.value = '{"version":2}';
  await expect(readPosition(store)).rejects.toMatchObject({ code: 'bad_position' });
});

test('writes while the log is scanned do not raise scanFrom: what an earlier run left is not known yet', async () => {
  const store = memoryStore();
  const start = { ...START, revision: 0, scanFrom: 100, scanFromAt: START.startedAt, logSequence: 150 };
  const keeper = new PositionKeeper(store, () => 0, start, 10);
  const tally = { ...EMPTY_TALLY, rows: 10 };
  const scanFrom = async (): Promise<number> => {
    await keeper.write(tally, 'running');
    return (JSON.parse(store.value!) as PositionRecord).scanFrom;
  };
  keeper.scanning();
  for (let i = 0; i < 3; i++) expect(await scanFrom()).toBe(100);
  keeper.left(12);
  keeper.scanned();
  for (let i = 0; i < 3; i++) expect(await scanFrom()).toBe(100);
});
