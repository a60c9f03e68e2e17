// A row of a file, before anything is made of it.

/** `number` counts rows from 1, `line` lines of the file: those of a header, blank ones and ones inside quotes included.
 *  NDJSON has `text`, CSV has `fields`. `refused`: why there is nothing to read; '' when there is. */
export type FileRow = {
  readonly number: number;
  readonly line: number;
  readonly text: string;
  readonly fields: readonly string[];
  readonly refused: string;
};

export const ROW_BYTES_MAX = 1024 * 1024;
