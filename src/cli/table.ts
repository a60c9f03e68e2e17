// Columns for people: as wide as their widest cell, numbers to the right.
/** A line for the heads and one for each row, without blanks at the end. */
export function table(heads: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const lines = [heads, ...rows];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => String(line[column] ?? '').length)));
  const isNumber = heads.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'));
  return lines.map((line) =>
    line
      .map((cell, column) =>
        isNumber[column] === true ? String(cell).padStart(widths[column]!) : String(cell).padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
}
