// `visage erase` as it is typed.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identityKey, partitionOf } from '../../src/message/identity.ts';
import { publishAll } from '../support/publish_all.ts';
import { purchase } from '../support/purchase.ts';
import { startWorld, type World } from '../support/world.ts';
import { visage } from '../e2e/program.ts';

let world: World;
let config: string;

beforeEach(async () => {
  world = await startWorld();
  config = join(world.folder, 'worker.yaml');
  await writeFile(config, `nats: { servers: ${world.server.url} }\nlog: { maxBytes: 1GB }\npartitions: 4\n`);
});
afterEach(() => world.stop());

test('erase asks first, says what it does, and prints a receipt; afterwards there is no such profile', async () => {
  const identity = ['customerId', 'ada lovelace'] as const;
  const erase = (...args: readonly string[]): ReturnType<typeof visage> =>
    visage(['erase', ...identity, '--config', config, ...args]);
  await world.startReady({}, { setup: true, definitions: world.document });
  await publishAll([purchase(identity[1], { _id: 'a', atMs: Date.now() })], { nc: await world.connect() });
  expect(await erase()).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--yes') as string });
  expect((await visage(['get', ...identity, '--config', config])).code).toBe(0);

  const { code, stdout, stderr } = await erase('--yes', '--json');
  expect({ code, lines: stdout.trim().split('\n').length }).toEqual({ code: 0, lines: 1 });
  const receipt = JSON.parse(stdout) as Record<string, unknown>;
  expect(receipt).toMatchObject({ messages: 1, holes: 1, deadLetters: 0 });
  expect(Object.keys(receipt).sort()).toEqual(
    ['changesGoneBy', 'compactedAt', 'deadLetters', 'erasedAt', 'hash', 'holes', 'messages', 'sequence', 'shard'].sort(),
  );
  expect(stderr).toContain('the erase message goes into the log');
  expect(stdout + stderr).not.toContain('lovelace');
  expect(await visage(['get', ...identity, '--config', config])).toMatchObject({ code: 1 });

  // of somebody of whom there is nothing, in another shard: the files of one are rewritten every five seconds at most
  const isElsewhere = (id: string): boolean => partitionOf(identityKey({ namespace: 'customerId', id }), 4) !== receipt['shard'];
  const nobody = ['a', 'b', 'c', 'd', 'e', 'f'].find(isElsewhere)!;
  const again = await visage(['erase', 'customerId', nobody, '--yes', '--config', config]);
  expect(again.code).toBe(0);
  expect(again.stdout).toMatch(
    /^erased at 2.*\n {2}nothing was in the log about this identity: is it the right one\?\n {2}0 messages of shard \d before sequence \d+, 0 dead letters; .*\n {2}its change events have aged out by 2/,
  );
  expect(await visage(['erase', 'customer id', 'x', '--yes', '--config', config])).toMatchObject({ code: 2, stdout: '' });
  const mistyped = await visage(['erase', 'customerid', 'ada', '--yes', '--config', config]);
  expect(mistyped).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining("did you mean 'customerId'") as string });
}, 60_000);

test('without a worker nothing is accepted, and it says so', async () => {
  await world.setup();
  const { code, stderr } = await visage(['erase', 'customerId', 'ada', '--yes', '--config', config]);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/^error: no worker of root 'visage' answers.*\n$/) as string,
  });
}, 60_000);
