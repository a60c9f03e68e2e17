import { expect, test } from 'vitest';
import { progressLine, type ProgressState } from '../../../src/cli/progress.ts';

function watch(isTTY: boolean): {
  show: (atMs: number, state: Partial<ProgressState>) => void;
  said: () => string[];
  end: () => void;
} {
  const written: string[] = [];
  let nowMs = 0;
  const out = { isTTY, columns: 200, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  const line = progressLine(out, () => nowMs);
  return {
    show(atMs, state) {
      nowMs = atMs;
      line.show({ done: `${state.count ?? 0} rows`, count: 0, share: 0, remarks: '', waitingFor: null, ...state });
    },
    said: () => written.splice(0),
    end: () => line.end(),
  };
}

test('a file or a pipe gets a line every ten seconds, and one when waiting begins', () => {
  const { show, said, end } = watch(false);
  show(0, {});
  show(9_999, { count: 500, share: 0.4 });
  expect(said()).toEqual([]);
  show(10_000, { count: 1000, share: 0.5, remarks: '3 refused' });
  expect(said()).toEqual(['50 %, 1000 rows, 100/s, 10 s left, 3 refused\n']);
  show(10_100, { count: 1000, share: 0.5, waitingFor: 'the log is full' });
  show(10_200, { count: 1000, share: 0.5, waitingFor: 'the log is full' });
  expect(said()).toEqual(['50 %, 1000 rows, 99/s, 11 s left, waiting: the log is full\n']);
  end();
  expect(said()).toEqual([]);
});

test('a terminal has one line that redraws itself, and goes in the end', () => {
  const { show, said, end } = watch(true);
  show(0, { count: 1000, share: 0.5 });
  show(100, { count: 1100, share: 0.55 });
  show(4_000, { count: 1400, share: 0.75 });
  end();
  expect(said()).toEqual([
    '\r[##########..........] 50 %, 1000 rows, 0/s\u001b[K',
    '\r[###############.....] 75 %, 1400 rows, 100/s, 4 s left\u001b[K',
    '\r\u001b[K',
  ]);
});
