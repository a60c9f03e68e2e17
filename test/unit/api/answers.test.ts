// How answers are sent: together at the end of a turn of the event loop, and what waits for that is no read any more.
import { fastify } from 'fastify';
import { expect, test } from 'vitest';
import { answers } from '../../../src/api/answers.ts';

const MORE_THAN_ARE_TAKEN = 1_500;

type Reply = Parameters<ReturnType<typeof answers>>[0];

/** Replies that note when they are sent. */
function door({ isBusy = false } = {}) {
  let refused = 0;
  const sent: string[] = [];
  const answer = answers({
    onRefused: () => refused++,
    onDefect: (error) => void sent.push(String(error)),
    isBusy: () => isBusy,
  });
  const reply = (): Reply => {
    const made: Record<string, unknown> = { request: { id: 'r' }, statusCode: 200 };
    for (const name of ['header', 'type', 'code', 'status', 'removeHeader']) made[name] = () => made;
    made['send'] = (text: string) => {
      sent.push(text);
      return undefined;
    };
    return made as unknown as Reply;
  };
  return { answer, reply, sent, refused: () => refused };
}

test('reads that wait for nothing are never too many, however many one turn has', async () => {
  const { answer, reply, sent, refused } = door();
  const all: Promise<unknown>[] = [];
  for (let n = 0; n < MORE_THAN_ARE_TAKEN; n++) {
    all.push(answer(reply(), () => Promise.resolve({ n })));
    await Promise.resolve(); // as between two connections
    await Promise.resolve();
  }
  await Promise.all(all);
  expect(refused()).toBe(0);
  expect(sent.slice(0, 2)).toEqual(['{"n":0}', '{"n":1}']);
  expect(sent.length).toBe(MORE_THAN_ARE_TAKEN);
});

test('those of one turn are sent together at its end; at once while shards wait for theirs', async () => {
  for (const isBusy of [false, true]) {
    const { answer, reply, sent } = door({ isBusy });
    const both = [answer(reply(), () => Promise.resolve('1')), answer(reply(), () => Promise.resolve('2'))];
    for (let n = 0; n < 10; n++) await Promise.resolve();
    expect(sent).toEqual(isBusy ? ['1', '2'] : []);
    await Promise.all(both);
    expect(sent).toEqual(['1', '2']);
  }
});

test('over a real server', async () => {
  const app = fastify();
  const answer = answers({ onRefused: () => undefined, onDefect: () => undefined, isBusy: () => false });
  app.get('/', (_, reply) => answer(reply, () => Promise.resolve({ a: 1 })));
  const found = await app.inject('/');
  expect([found.statusCode, found.body, found.headers['cache-control']]).toEqual([200, '{"a":1}', 'no-store']);
  await app.close();
});
