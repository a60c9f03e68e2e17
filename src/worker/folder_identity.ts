// The name of a data directory, over restarts and whatever the worker is called: by it a worker knows its own leases again.
import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'visage.id';

/** Made when there is none; the directory must be locked. */
export function folderIdentity(dataDirectory: string): string {
  const path = join(dataDirectory, FILE);
  try {
    const known = readFileSync(path, 'utf8').trim();
    if (known !== '') return known;
  } catch {
    // none yet
  }
  const made = randomUUID();
  writeFileSync(`${path}.new`, `${made}\n`);
  renameSync(`${path}.new`, path);
  return made;
}
