import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { csvHeader, csvRows } from '../../../src/ingest/csv_rows.ts';
import { FileBytes, hashFile } from '../../../src/ingest/file_bytes.ts';
import type { FileRow } from '../../../src/ingest/file_row.ts';
import { ndjsonRows } from '../../../src/ingest/ndjson_rows.ts';

async function* pieces(bytes: string | Buffer, size: number): AsyncGenerator<Buffer> {
  const buffer = Buffer.from(bytes);
  for (let at = 0; at < buffer.length; at += size) yield await Promise.resolve(buffer.subarray(at, at + size));
}

async function all(batches: AsyncIterable<readonly FileRow[]>): Promise<FileRow[]> {
  const rows: FileRow[] = [];
  for await (const batch of batches) rows.push(...batch);
  return rows;
}

const ndjson = async (bytes: string | Buffer, size = 3): Promise<unknown[]> =>
  (await all(ndjsonRows(pieces(bytes, size)))).map(({ number, line, text, refused }) => [
    number,
    line,
    refused === '' ? text : `refused: ${refused}`,
  ]);
const csv = async (bytes: string | Buffer, size = 3): Promise<unknown[]> =>
  (await all(csvRows(pieces(bytes, size)))).map(({ number, line, fields, refused }) => [
    number,
    line,
    refused === '' ? fields : `refused: ${refused}`,
  ]);

describe('NDJSON', () => {
  test('BOM, CRLF, blank lines, and a last line without end', async () => {
    expect(await ndjson('\ufeff{"a":1}\r\n\n  \r\n{"b":"é"}\n\n{"c":3}')).toEqual([
      [1, 1, '{"a":1}'],
      [2, 4, '{"b":"é"}'],
      [3, 6, '{"c":3}'],
    ]);
    expect(await ndjson('')).toEqual([]);
    expect(await ndjson('\n\r\n')).toEqual([]);
  });

  test('a line over 1 MB and one that is not UTF-8 are refused; the next ones are not', async () => {
    const long = Buffer.from(`{"a":"${'x'.repeat(1024 * 1024)}"}\n`);
    const bytes = Buffer.concat([
      Buffer.from('{"a":1}\n'),
      long,
      Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
      Buffer.from('{"b":2}\n'),
    ]);
    expect(await ndjson(bytes, 65536)).toEqual([
      [1, 1, '{"a":1}'],
      [2, 2, 'refused: the line has more than 1 MB'],
      [3, 3, 'refused: not valid UTF-8'],
      [4, 4, '{"b":2}'],
    ]);
  });
});

describe('CSV', () => {
  test('quotes, newlines inside them, CRLF, BOM, blank lines; each row knows its line', async () => {
    expect(await csv('\ufeffa,b\r\n1,"x,""y"""\r\n"q\r\nz\n",3\r\n\r\n\n4,\n5,5" nail\n"",last')).toEqual([
      [0, 1, ['a', 'b']],
      [1, 2, ['1', 'x,"y"']],
      [2, 3, ['q\r\nz\n', '3']],
      [3, 8, ['4', '']],
      [4, 9, ['5', '5" nail']],
      [5, 10, ['', 'last']],
    ]);
  });

  test('a row with another number of columns is refused, the file goes on', async () => {
    expect(await csv('a,b\n1,2,3\n1\n1,2\n')).toEqual([
      [0, 1, ['a', 'b']],
      [1, 2, 'refused: 3 columns where the header has 2'],
      [2, 3, 'refused: 1 columns where the header has 2'],
      [3, 4, ['1', '2']],
    ]);
  });

  test('a quote that is never closed ends the file, after the rows before it', async () => {
    const rows: FileRow[] = [];
    const reading = (async () => {
      for await (const batch of csvRows(pieces('a,b\n1,2\n"geheim,3\n4,5', 3))) rows.push(...batch);
    })();
    await expect(reading).rejects.toThrow(/^the row that begins after line 2 has a quote that is never closed$/);
    expect(rows.map(({ line }) => line)).toEqual([1, 2]);
    await expect(csv(`a,b\n1,2\n"${'x'.repeat(2 * 1024 * 1024)}`, 65536)).rejects.toThrow(
      /line 2 has more than 1 MB; is there a quote/,
    );
  });

  test('the header; an empty file has none', async () => {
    expect(await csvHeader(pieces('a,"b c"\n1,2\n', 100))).toEqual(['a', 'b c']);
    await expect(csvHeader(pieces('', 100))).rejects.toThrow(/the file is empty/);
  });

  test('whatever is in the fields comes out again, with its line', async () => {
    const field = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r\n', ' ', 'é', '7'), maxLength: 6 });
    const table = fc.array(fc.tuple(field, field, fc.constantFrom('x', 'y')), { minLength: 1, maxLength: 8 });
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom('\n', '\r\n'), fc.integer({ min: 1, max: 40 }), async (rows, end, size) => {
        const text = `a,b,c${end}${rows.map((fields) => fields.map(quoted).join(',') + end).join('')}`;
        let line = 2;
        const expected = rows.map((fields, i) => {
          const at = line;
          line += 1 + fields.join('').split('\n').length - 1;
          return [i + 1, at, [...fields]];
        });
        expect(await csv(text, size)).toEqual([[0, 1, ['a', 'b', 'c']], ...expected]);
      }),
      { numRuns: 100 },
    );
  });
});

describe('the bytes of a file', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'visage-rows-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const file = (bytes: string | Buffer): string => {
    const path = join(folder, createHash('sha256').update(bytes).digest('hex').slice(0, 8));
    writeFileSync(path, bytes);
    return path;
  };
  const text = Array.from({ length: 30_000 }, (_, i) => `${i},${(i * 7919) % 1000}\n`).join('');

  async function read(path: string): Promise<string> {
    const parts: Buffer[] = [];
    for await (const chunk of new FileBytes((await hashFile(path))!).chunks()) parts.push(chunk);
    return Buffer.concat(parts).toString();
  }

  test('gzip is known by its bytes, also in several members', async () => {
    expect(await read(file(text))).toBe(text);
    expect(await read(file(gzipSync(text)))).toBe(text);
    expect(await read(file(Buffer.concat([gzipSync(text.slice(0, 5000)), gzipSync(text.slice(5000))])))).toBe(text);
    expect(await read(file(''))).toBe('');
  });

  test('gzip that ends too early hands out what it has first', async () => {
    const packed = gzipSync(text);
    const parts: Buffer[] = [];
    const reading = (async () => {
      const facts = await hashFile(file(packed.subarray(0, packed.length - 1000)));
      for await (const chunk of new FileBytes(facts!).chunks()) parts.push(chunk);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'damaged_gzip', message: 'the gzip file ends too early' });
    const got = Buffer.concat(parts).toString();
    expect(text.startsWith(got)).toBe(true);
    expect(got.length).toBeGreaterThan(text.length * 0.9);
    const broken = Buffer.from(packed);
    broken.fill(0xff, 2000, 2100);
    await expect(read(file(broken))).rejects.toMatchObject({ code: 'damaged_gzip' });
  });

  test('gzip: zeros after the end are padding, members follow each other, anything else is a damage', async () => {
    const packed = gzipSync('a\nb\n');
    for (const zeros of [1, 512, 16_384 - packed.length, 16_384, 100_000])
      expect(await read(file(Buffer.concat([packed, Buffer.alloc(zeros)])))).toBe('a\nb\n');
    const big = gzipSync(text);
    expect(await read(file(Buffer.concat([big, Buffer.alloc(70_000)])))).toBe(text);
    expect(await read(file(Buffer.concat([big, big])))).toBe(text + text);
    for (const zeros of [0, 1, 100_000]) {
      const bytes = Buffer.concat([packed, Buffer.alloc(zeros), zeros === 1 ? packed : Buffer.from('geheim')]);
      await expect(read(file(bytes))).rejects.toMatchObject({ code: 'damaged_gzip' });
    }
  }, 5_000);

  test('a file that changed since it was hashed', async () => {
    const path = file('a\n');
    const facts = await hashFile(path);
    writeFileSync(path, 'b\n');
    await expect(all(ndjsonRows(new FileBytes(facts!).chunks()))).rejects.toMatchObject({ code: 'file_changed' });
  });
});
