// Lines of NDJSON as rows. NR1: blank lines are no rows, but they count as lines. NR2: a line over 1 MB is refused and never held in memory.
import { ROW_BYTES_MAX, type FileRow } from './file_row.ts';

const NEWLINE = 0x0a;
const NO_FIELDS: readonly string[] = [];

/** Batches in file order. LF or CRLF; a byte order mark at the start is skipped; the last line needs no end. */
export async function* ndjsonRows(chunks: AsyncIterable<Buffer>): AsyncGenerator<FileRow[]> {
  const lines = new LineReader();
  for await (const chunk of chunks) {
    const rows: FileRow[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      lines.take(chunk.subarray(start, end));
      lines.end(rows);
      start = end + 1;
    }
    lines.take(chunk.subarray(start));
    if (rows.length > 0) yield rows;
  }
  const rows: FileRow[] = [];
  lines.end(rows);
  if (rows.length > 0) yield rows;
}

class LineReader {
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  private parts: Buffer[] = [];
  private bytes = 0;
  private line = 0;
  private row = 0;

  take(part: Buffer): void {
    this.bytes += part.length;
    if (this.bytes > ROW_BYTES_MAX) this.parts = [];
    else if (part.length > 0) this.parts.push(part);
  }

  /** The line that was taken is complete. */
  end(rows: FileRow[]): void {
    this.line++;
    const { bytes } = this;
    const parts = this.parts;
    this.parts = [];
    this.bytes = 0;
    if (bytes > ROW_BYTES_MAX) return void rows.push(this.next('', 'the line has more than 1 MB'));
    let text: string;
    try {
      text = this.utf8.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts));
    } catch {
      return void rows.push(this.next('', 'not valid UTF-8'));
    }
    if (this.line === 1 && text.startsWith('\ufeff')) text = text.slice(1);
    if (text.endsWith('\r')) text = text.slice(0, -1);
    if (text.trim() !== '') rows.push(this.next(text, ''));
  }

  private next(text: string, refused: string): FileRow {
    return { number: ++this.row, line: this.line, text, fields: NO_FIELDS, refused };
  }
}
