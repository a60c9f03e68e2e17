// The files of a login are read again for each attempt to connect, and never end a connection.
import { nkeys } from '@nats-io/transport-node';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openConnection, PLAIN } from '../../../src/nats/connection.ts';
import { authenticatorOf, type Login } from '../../../src/nats/login.ts';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'visage-credentials-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const login = (given: Partial<Login>): ReturnType<typeof authenticatorOf> => authenticatorOf({ ...PLAIN, ...given });

function credentials(jwt: string): string {
  const seed = new TextDecoder().decode(nkeys.createUser().getSeed());
  const block = (name: string, text: string): string => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  return `${block('NATS USER JWT', jwt)}\n${block('USER NKEY SEED', seed)}`;
}

test('rotated credentials are used, and the last good ones while the file is cut short or missing', () => {
  const path = join(folder, 'user.creds');
  writeFileSync(path, credentials('first'));
  const authenticate = login({ credentials: path })!;
  expect(authenticate('nonce')).toMatchObject({ jwt: 'first' });
  writeFileSync(path, credentials('second'));
  expect(authenticate('nonce')).toMatchObject({ jwt: 'second' });
  writeFileSync(path, credentials('third').slice(0, 40));
  expect(authenticate('nonce')).toMatchObject({ jwt: 'second' });
  rmSync(path);
  expect(authenticate('nonce')).toMatchObject({ jwt: 'second' });
});

describe.each([
  ['tokenFile', {}, (token: string) => ({ auth_token: token })],
  ['passwordFile', { user: 'ada' }, (pass: string) => ({ user: 'ada', pass })],
] as const)('%s', (setting, more, said) => {
  test('the text of the file without its last line break; what was rotated; the last good one while it is empty or missing', () => {
    const path = join(folder, 'secret');
    writeFileSync(path, ' first\n');
    const authenticate = login({ ...more, [setting]: path })!;
    expect(authenticate()).toEqual(said(' first'));
    writeFileSync(path, 'second\r\n');
    expect(authenticate()).toEqual(said('second'));
    writeFileSync(path, '\n');
    expect(authenticate()).toEqual(said('second'));
    rmSync(path);
    expect(authenticate()).toEqual(said('second'));
  });
});

test('a file that is not there at the start, or not such a file, is refused, and what it holds is not shown', () => {
  const path = join(folder, 'secret');
  writeFileSync(path, 'hush');
  for (const given of [
    { credentials: join(folder, 'none') },
    { credentials: path },
    { tokenFile: join(folder, 'none') },
    { user: 'ada', passwordFile: join(folder, 'none') },
  ])
    expect(() => login(given)).toThrow(
      expect.objectContaining({ code: 'unreadable_file', message: expect.not.stringContaining('hush') }),
    );
});

test('one way at a time, and a user comes with a password; no secret in an address', async () => {
  expect(login({})).toBeUndefined();
  const bad = expect.objectContaining({ code: 'bad_login', kind: 'usage' });
  expect(() => login({ credentials: 'a', tokenFile: 'b' })).toThrow(bad);
  expect(() => login({ tokenFile: 'a', user: 'ada', passwordFile: 'b' })).toThrow(bad);
  expect(() => login({ user: 'ada' })).toThrow(bad);
  expect(() => login({ passwordFile: 'b' })).toThrow(bad);
  const error = await openConnection({ ...PLAIN, servers: ['nats://ada:hush@127.0.0.1:1'] }, 'test').catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'bad_login', message: expect.not.stringContaining('hush') });
});
