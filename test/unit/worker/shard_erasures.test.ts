// The keyed hash of an identity, and who is behind one.
import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { nodeClock } from '../../../src/worker/node_clock.ts';
import { knownEraseHash, openEraseHash } from '../../../src/worker/erase_secret.ts';
import { ShardErasures } from '../../../src/worker/shard_erasures.ts';
import type { MetaBucket } from '../../../src/stream/meta_bucket.ts';

function bucket(): MetaBucket & { readonly values: Map<string, string> } {
  const values = new Map<string, string>();
  const createOrGet = (key: string, value: string): Promise<string> => {
    if (!values.has(key)) values.set(key, value);
    return Promise.resolve(values.get(key)!);
  };
  return { values, createOrGet, get: (key: string) => Promise.resolve(values.get(key)) } as never;
}

it('a root has one secret, made once; whoever comes first makes it', async () => {
  const meta = bucket();
  expect(await knownEraseHash(meta)).toBeUndefined();
  const [a, b] = await Promise.all([openEraseHash(meta), openEraseHash(meta)]);
  const hash = a('email.ada');
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(b('email.ada')).toBe(hash);
  expect((await knownEraseHash(meta))!('email.ada')).toBe(hash);
  const secret = Buffer.from(meta.values.get('erase.secret')!, 'hex');
  for (const key of ['email.ada', '', 'email.b', `email.${'%C3%BC'.repeat(400)}`, 'email.ü', 'x'.repeat(5_000)])
    expect(a(key)).toBe(createHmac('sha256', secret).update(key).digest('hex'));
  expect(a('email.bob')).not.toBe(hash);
  expect((await openEraseHash(bucket()))('email.ada')).not.toBe(hash);
  meta.values.set('erase.secret', 'abcd');
  await expect(openEraseHash(meta)).rejects.toMatchObject({ code: 'bad_secret' });
});

it('an identity is found by its hash among all keys, without keeping others waiting, and forgotten afterwards', async () => {
  const done = new Set<string>();
  const erasures = new ShardErasures(
    (key) => `hash of ${key}`,
    nodeClock,
    (hash) => Promise.resolve(done.has(hash)),
  );
  const keys = Array.from({ length: 1_000 }, (_, i) => `email.${i}`);
  let read = 0;
  function* all(): Iterable<string> {
    for (const key of keys) {
      read++;
      yield key;
    }
  }
  expect(erasures.keyOf('hash of email.500')).toBeUndefined();
  await erasures.resolve('hash of email.500', all);
  expect(erasures.keyOf('hash of email.500')).toBe('email.500');
  expect(read).toBe(501);
  await erasures.resolve('hash of email.500', all); // known
  expect(read).toBe(501);
  await erasures.resolve('hash of nobody', all);
  expect(erasures.keyOf('hash of nobody')).toBeUndefined();
  erasures.forget('hash of email.500');
  expect(erasures.keyOf('hash of email.500')).toBeUndefined();
  expect(erasures.name('email.1')).toBe('hash of email.1');
  expect(erasures.keyOf('hash of email.1')).toBe('email.1');

  // of a state that is built from the log's beginning on, who is erased for good is no part
  done.add('hash of email.600');
  erasures.logBegins([], 5);
  await erasures.resolve('hash of email.600', all);
  expect(erasures.keyOf('hash of email.600')).toBe('email.600');
  done.add('hash of email.700');
  erasures.logBegins([], 0);
  read = 0;
  await erasures.resolve('hash of email.700', all);
  expect([read, erasures.keyOf('hash of email.700')]).toEqual([0, undefined]);
  await erasures.resolve('hash of email.800', all); // not done: something of it may still be in the log
  expect(erasures.keyOf('hash of email.800')).toBe('email.800');
});

it('what the log says of erasures counts from when it is read on, and is replaced when it is read again', () => {
  const erasures = new ShardErasures(
    (key) => key,
    nodeClock,
    () => Promise.resolve(false),
  );
  const erased = { kind: 'erased', part: 1, parts: 1, holes: [] } as const;
  erasures.logBegins([{ ...erased, erase: 7, changeCount: 3, changeDigest: 99, version: 5 }], 0);
  expect(erasures.recordedAt(7)).toEqual({ changeCount: 3, changeDigest: 99, version: 5 });
  erasures.logBegins([{ ...erased, erase: 8, changeCount: 4, changeDigest: 100, version: 6 }], 0);
  expect(erasures.recordedAt(7)).toBeUndefined();
  expect(erasures.recordedAt(8)).toEqual({ changeCount: 4, changeDigest: 100, version: 6 });
});
