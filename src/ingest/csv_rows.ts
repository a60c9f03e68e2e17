// Records of CSV as rows (csv-parse). CR1: a row with another number of columns than the header is refused, the file goes on.
// CR2: a row knows the line it begins at. CR3: a quote that is not closed ends the file with an error: what follows cannot be told apart.
// A quote inside an unquoted field (`5" nail`) is text: many programs write it so.
import { parse, type CsvError, type InfoRecord, type Parser } from 'csv-parse';
import { VisageError } from '../base/errors.ts';
import { ROW_BYTES_MAX, type FileRow } from './file_row.ts';

/** Batches in file order. The header comes as row 0. @throws VisageError `bad_csv` */
export async function* csvRows(chunks: AsyncIterable<Buffer>): AsyncGenerator<FileRow[]> {
  const records = new RecordCollector();
  const parser = records.parser;
  try {
    for await (const chunk of chunks) {
      await new Promise<void>((resolve) => parser.write(chunk, records.whenDone(resolve)));
      const rows = records.taken();
      if (rows.length > 0) yield rows;
      records.failIfBroken();
    }
    await new Promise<void>((resolve) => parser.end(records.whenDone(resolve)));
    const rows = records.taken();
    if (rows.length > 0) yield rows;
    records.failIfBroken();
  } finally {
    parser.destroy();
  }
}

/** The columns of a CSV file. @throws VisageError `bad_csv` */
export async function csvHeader(chunks: AsyncIterable<Buffer>): Promise<readonly string[]> {
  for await (const rows of csvRows(chunks)) return rows[0]!.fields;
  throw new VisageError('bad_csv', 'the file is empty: a CSV file begins with a line of column names', { kind: 'usage' });
}

class RecordCollector {
  /** Hands nothing to its readable side: rows are collected while it parses, so that they stay in order and cost no stream. */
  readonly parser: Parser;
  private rows: FileRow[] = [];
  private columns = -1;
  private number = 0;
  /** Lines that the parser counted twice: a CRLF inside quotes is two for it. */
  private surplus = 0;
  private lastLine = 0;
  private broken: CsvError | undefined;

  constructor() {
    this.parser = parse({
      bom: true,
      record_delimiter: ['\r\n', '\n'],
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      max_record_size: ROW_BYTES_MAX,
      on_record: (record: string[], info: InfoRecord) => {
        this.add(record, info.lines);
        return null;
      },
    });
    this.parser.on('error', () => undefined); // `whenDone` has heard of it, and earlier
  }

  whenDone(resolve: () => void): (error?: Error | null) => void {
    return (error) => {
      if (error != null) this.broken ??= error as CsvError;
      resolve();
    };
  }

  taken(): FileRow[] {
    const { rows } = this;
    this.rows = [];
    return rows;
  }

  failIfBroken(): void {
    if (this.broken === undefined) return;
    const size = this.broken.code === 'CSV_MAX_RECORD_SIZE' ? 'has more than 1 MB; is there' : 'has';
    const text = `the row that begins after line ${this.lastLine} ${size} a quote that is never closed`;
    throw new VisageError('bad_csv', size === 'has' ? text : `${text}?`, { kind: 'usage' });
  }

  private add(fields: readonly string[], parserLine: number): void {
    let inside = 0;
    if (parserLine - this.surplus - this.lastLine > 1) {
      for (const field of fields) {
        for (let at = field.indexOf('\n'); at >= 0; at = field.indexOf('\n', at + 1)) {
          inside++;
          if (field[at - 1] === '\r') this.surplus++;
        }
      }
    }
    this.lastLine = parserLine - this.surplus;
    const isHeader = this.columns < 0;
    if (isHeader) this.columns = fields.length;
    const wrong = fields.length !== this.columns;
    this.rows.push({
      number: isHeader ? 0 : ++this.number,
      line: this.lastLine - inside,
      text: '',
      fields,
      refused: wrong ? `${fields.length} columns where the header has ${this.columns}` : '',
    });
  }
}
