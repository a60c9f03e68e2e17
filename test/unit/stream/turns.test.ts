// Turns: never more at once than there is room for, in the order of asking, and every wait ends.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import { Turns } from '../../../src/stream/turns.ts';

const busy = (): VisageError => new VisageError('busy', 'busy', { kind: 'retry' });
const ERROR = expect.objectContaining({ code: 'busy' });

test('so many at once, the others in the order of asking', async () => {
  const turns = new Turns({ atOnce: 2, waiting: 10, busy });
  const began: number[] = [];
  let running = 0;
  const work = async (n: number): Promise<number> => {
    began.push(n);
    expect(++running).toBeLessThanOrEqual(2);
    await delay(2);
    running--;
    if (n % 3 === 0) throw new Error(`work ${n}`); // gives its room back too
    return n;
  };
  const results = await Promise.allSettled(Array.from({ length: 9 }, (_, n) => turns.run(5_000, () => work(n))));
  expect(began).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(results.map(({ status }) => status === 'fulfilled')).toEqual(began.map((n) => n % 3 !== 0));
  await expect(turns.run(0, () => Promise.resolve('free'))).resolves.toBe('free');
});

test('who finds no place, or waits too long, is told so', async () => {
  const turns = new Turns({ atOnce: 1, waiting: 1, busy });
  const held = Promise.withResolvers<string>();
  const first = turns.run(5_000, () => held.promise);
  const late = turns.run(5, () => Promise.resolve('never'));
  await expect(turns.run(5_000, () => Promise.resolve('never'))).rejects.toEqual(ERROR);
  await expect(late).rejects.toEqual(ERROR);
  const next = turns.run(5_000, () => Promise.resolve('second'));
  held.resolve('first');
  expect(await Promise.all([first, next])).toEqual(['first', 'second']);
});
