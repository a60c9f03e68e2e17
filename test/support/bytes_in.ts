// Which files of a folder hold these bytes, wherever in them.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Names of the files, relative to the folder, each with how often. A file that goes away meanwhile holds nothing. */
export function bytesIn(folder: string, ...texts: readonly string[]): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = read(path);
    let count = 0;
    for (const text of texts) for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) count++;
    if (count > 0) found.push(`${relative(folder, path)} ${count}`);
  }
  return found.sort();
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}
