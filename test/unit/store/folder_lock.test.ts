import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockFolder } from '../../../src/store/folder_lock.ts';

const MODULE = join(import.meta.dirname, '../../../src/store/folder_lock.ts');

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'visage-lock.'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const files = (): string[] => readdirSync(folder);

it('takes a folder once, and again when it was given back', () => {
  const release = lockFolder(join(folder, 'data'));
  expect(() => lockFolder(join(folder, 'data'))).toThrow(`in use by process ${process.pid}`);
  release();
  release();
  lockFolder(join(folder, 'data'))();
  expect(readdirSync(join(folder, 'data')).length).toBe(1);
});

it('refuses a folder that a living process has, and takes it over when that was killed', async () => {
  const script = `import { lockFolder } from ${JSON.stringify(MODULE)}; lockFolder(process.argv[1]); console.log('locked'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  expect(() => lockFolder(folder)).toThrow(`in use by process ${child.pid}`);
  expect(() => lockFolder(folder)).toThrow(expect.objectContaining({ code: 'folder_in_use' }));
  child.kill('SIGKILL');
  await once(child, 'exit');
  lockFolder(folder)();
  expect(files().length).toBe(1);
});

it('takes over what an earlier process with the same pid left', () => {
  for (const pid of [process.pid, process.ppid]) {
    for (const name of files()) rmSync(join(folder, name));
    writeFileSync(join(folder, 'visage.lock.7'), JSON.stringify({ pid, started: 'another boot/5' }));
    lockFolder(folder)();
    expect(files()).toEqual(['visage.lock.8']);
  }
});

it('takes over a lock that a power failure emptied', () => {
  writeFileSync(join(folder, 'visage.lock.3'), '');
  const release = lockFolder(folder);
  expect(JSON.parse(readFileSync(join(folder, 'visage.lock.4'), 'utf8'))).toMatchObject({ pid: process.pid });
  release();
});

it('says when the directory cannot be used', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => lockFolder(join(folder, 'file'))).toThrow('cannot be used');
});
