// Replaying: each letter once, whatever gets in between, and every one counted.
import { expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import { sha256, type Letter } from '../../../src/cli/dead_letter.ts';
import { ReplayLedger, type LedgerStore } from '../../../src/cli/replay_ledger.ts';
import { replayLetters, type ReplayChoice, type ReplayReport } from '../../../src/cli/replay_letters.ts';
import type { Sent } from '../../../src/producer/delivery.ts';

class FakeStore implements LedgerStore {
  readonly keys = new Map<string, { value: string; revision: number }>();
  /** Runs before the next write. */
  between: (() => Promise<void>) | undefined;

  entry(key: string): ReturnType<LedgerStore['entry']> {
    return Promise.resolve(this.keys.get(key) ?? { value: undefined, revision: 0 });
  }

  async putAt(key: string, value: string, revision: number): Promise<number> {
    const { between } = this;
    this.between = undefined;
    await between?.();
    if ((this.keys.get(key)?.revision ?? 0) !== revision) throw new VisageError('conflict', 'somebody', { kind: 'retry' });
    this.keys.set(key, { value, revision: revision + 1 });
    return revision + 1;
  }
}

function letter(deadSequence: number, changes: Partial<Letter> = {}): Letter {
  const body = `{"n":${deadSequence}}`;
  return {
    deadSequence,
    reason: 'unknown_dataset',
    errors: [],
    subject: `visage.in.crm.email.e${deadSequence}`,
    dataset: 'crm',
    sequence: deadSequence,
    time: '2026-03-10T09:00:00.000Z',
    headers: {},
    body,
    bodySha256: sha256(Buffer.from(body)),
    ...changes,
  };
}

const letters = (count: number, first = 1): Letter[] => Array.from({ length: count }, (_, i) => letter(first + i));
const SENT: Sent = { shard: 0, sequence: 1, duplicate: false, identity: { namespace: 'email', id: 'x' } };

class Replays {
  readonly store = new FakeStore();
  readonly sent: number[] = [];
  answer: (n: number) => Promise<void> | undefined = () => undefined;
  created = 'one';

  run(of: readonly Letter[], choice: Partial<ReplayChoice> = {}): Promise<ReplayReport> {
    return replayLetters(
      yielded(of),
      {
        root: 'visage',
        original: () => Promise.resolve(undefined),
        isEvents: () => false,
        rebuiltAt: () => 0,
        ledger: new ReplayLedger(this.store, this.created),
        producer: {
          ready: () => Promise.resolve(),
          send: async (_dataset, body) => {
            const { n } = JSON.parse(Buffer.from(body as Uint8Array).toString()) as { n: number };
            await this.answer(n);
            this.sent.push(n);
            return SENT;
          },
        },
      },
      { isNamed: false, again: false, dryRun: false, ...choice },
    );
  }
}

async function* yielded(of: readonly Letter[]): AsyncGenerator<Letter> {
  yield* await Promise.resolve(of);
}

test('each once, in their order, over the ends of batches and of keys', async () => {
  const replays = new Replays();
  const all = letters(600, 4_000);
  expect(await replays.run(all, { dryRun: true })).toMatchObject({ dryRun: true, replayed: 600, already: 0 });
  expect([replays.sent.length, replays.store.keys.size]).toEqual([0, 0]);
  expect(await replays.run(all)).toMatchObject({
    replayed: 600,
    fromLetter: 600,
    already: 0,
    unclear: 0,
    unusable: 0,
    failed: 0,
  });
  expect(replays.sent).toEqual(all.map(({ deadSequence }) => deadSequence));
  expect([...replays.store.keys.keys()]).toEqual(['dead.replayed.0', 'dead.replayed.1']);
  expect(await replays.run(all)).toMatchObject({ replayed: 0, already: 600 });
  expect(await replays.run(all, { dryRun: true })).toMatchObject({ replayed: 0, already: 600 });
  expect(replays.sent.length).toBe(600);
  expect(await replays.run(all.slice(0, 2), { again: true })).toMatchObject({ replayed: 2, already: 0 });
  expect(replays.sent.length).toBe(602);
});

test('what cannot be sent is named, and does not hold up the others', async () => {
  const replays = new Replays();
  const report = await replays.run([letter(1), letter(2, { truncated: true }), letter(3)]);
  expect(report).toMatchObject({ replayed: 2, unusable: 1, reasons: [{ deadSequence: 2, why: expect.any(String) as string }] });
  expect(replays.sent).toEqual([1, 3]);
});

test('killed in the middle: nobody knows, and nothing is sent twice unless somebody says so', async () => {
  const replays = new Replays();
  let killed = (): void => undefined;
  const reached = new Promise<void>((resolve) => (killed = resolve));
  replays.answer = (n) => {
    if (n !== 2) return undefined;
    killed();
    return new Promise(() => undefined); // for ever
  };
  void replays.run(letters(3));
  await reached;
  replays.answer = () => undefined;
  const report = await replays.run(letters(4));
  expect(report).toMatchObject({ replayed: 1, already: 0, unclear: 3 });
  expect(report.reasons[0]).toMatchObject({ deadSequence: 1, why: expect.stringContaining('--again') as string });
  expect(replays.sent).toEqual([1, 3, 4]); // 1 and 3 were sent by the one that was killed before it could say so
  expect(await replays.run(letters(2, 2), { again: true })).toMatchObject({ replayed: 2, unclear: 0 });
  expect(await replays.run(letters(4))).toMatchObject({ replayed: 0, already: 3, unclear: 1 });
});

test('no clear answer is unclear; a clear no is failed, and may be replayed again; trouble for all ends it behind its batch', async () => {
  const replays = new Replays();
  replays.answer = (n) => {
    if (n === 1) return Promise.reject(new VisageError('too_large', 'too large', { kind: 'refuse' }));
    return undefined;
  };
  expect(await replays.run(letters(300))).toMatchObject({
    replayed: 299,
    failed: 1,
    reasons: [{ deadSequence: 1, why: 'too large' }],
  });
  replays.answer = (n) => {
    if (n === 301) return Promise.reject(new VisageError('unknown', 'no answer', { kind: 'retry' }));
    if (n === 302) return Promise.reject(new VisageError('log_full', 'full', { kind: 'retry' }));
    return undefined;
  };
  expect(await replays.run(letters(600, 301))).toMatchObject({ replayed: 254, unclear: 1, failed: 1 });
  replays.answer = () => undefined;
  expect(await replays.run(letters(302))).toMatchObject({ replayed: 2, already: 299, unclear: 1 });
  expect(replays.sent.slice(-2)).toEqual([1, 302]);
});

test('a letter that was replayed stays so when it could not be sent again', async () => {
  const replays = new Replays();
  await replays.run(letters(1));
  replays.answer = () => Promise.reject(new VisageError('log_full', 'full', { kind: 'retry' }));
  expect(await replays.run(letters(1), { again: true })).toMatchObject({ failed: 1 });
  expect(await replays.run(letters(1))).toMatchObject({ already: 1, failed: 0 });
});

test('of two at once each gets some, and none is sent twice', async () => {
  const replays = new Replays();
  let other: ReplayReport | undefined;
  replays.store.between = async () => void (other = await replays.run(letters(2)));
  const report = await replays.run(letters(3));
  expect(other).toMatchObject({ replayed: 2 });
  expect(report).toMatchObject({ replayed: 1, already: 2 });
  expect(replays.sent).toEqual([1, 2, 3]);
});

test('a stream that was made again begins anew', async () => {
  const replays = new Replays();
  await replays.run(letters(2));
  replays.created = 'two';
  expect(await replays.run(letters(2))).toMatchObject({ replayed: 2 });
  expect(await replays.run(letters(2))).toMatchObject({ already: 2 });
});
