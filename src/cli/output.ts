// Lines to stdout or to a file. O1: whoever reads slowly slows the command down. O2: a reader that goes away ends it quietly.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import type { Writable } from 'node:stream';

const CHUNK_CHARACTERS = 64 * 1024;

/** `visage tail | head` is no failure. */
export function endQuietlyOnBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
}

export async function print(line: string): Promise<void> {
  await write(process.stdout, `${line}\n`);
}

export async function printJson(value: unknown): Promise<void> {
  await print(JSON.stringify(value));
}

/** Progress and remarks: never data. */
export function remark(line: string): void {
  process.stderr.write(`${line}\n`);
}

export interface LineWriter {
  write(line: string): Promise<void>;
  /** Everything is written; a file has its name only now. */
  end(): Promise<void>;
}

/** To stdout, or to `path`: a file that is there has everything in it. */
export function lineWriter(path?: string): LineWriter {
  const partial = `${path}.partial`;
  const out = path === undefined ? process.stdout : createWriteStream(partial);
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined); // raced below
  if (path !== undefined) out.once('error', (error) => failed.reject(error));
  let chunk = '';
  const flush = async (): Promise<void> => {
    const text = chunk;
    chunk = '';
    if (text !== '') await Promise.race([write(out, text), failed.promise]);
  };
  return {
    async write(line) {
      chunk += `${line}\n`;
      if (chunk.length >= CHUNK_CHARACTERS) await flush();
    },
    async end() {
      await flush();
      if (path === undefined) return;
      const finished = new Promise<void>((resolve) => out.end(() => resolve()));
      await Promise.race([finished, failed.promise]);
      await rename(partial, path);
    },
  };
}

async function write(out: Writable, text: string): Promise<void> {
  if (!out.write(text)) await once(out, 'drain');
}
