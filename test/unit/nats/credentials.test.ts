// The credentials file is read again for each attempt to connect, and never ends a connection.
import { nkeys } from '@nats-io/transport-node';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { credentialsFrom } from '../../../src/nats/connection.ts';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'visage-credentials-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function credentials(jwt: string): string {
  const seed = new TextDecoder().decode(nkeys.createUser().getSeed());
  const block = (name: string, text: string): string => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  return `${block('NATS USER JWT', jwt)}\n${block('USER NKEY SEED', seed)}`;
}

test('rotated credentials are used, and the last good ones while the file is cut short or missing', () => {
  const path = join(folder, 'user.creds');
  writeFileSync(path, credentials('first'));
  const authenticate = credentialsFrom(path);
  expect(authenticate('nonce')).toMatchObject({ jwt: 'first' });
  writeFileSync(path, credentials('second'));
  expect(authenticate('nonce')).toMatchObject({ jwt: 'second' });
  writeFileSync(path, credentials('third').slice(0, 40));
  expect(authenticate('nonce')).toMatchObject({ jwt: 'second' });
  rmSync(path);
  expect(authenticate('nonce')).toMatchObject({ jwt: 'second' });
});

test('a file that is not there at the start is refused', () => {
  expect(() => credentialsFrom(join(folder, 'none'))).toThrow(expect.objectContaining({ code: 'unreadable_file' }));
});
