// Mistakes in files that people write: every one at once, each with its place.
// Boundary: knows nothing of definitions, settings or map files; all report through it.
// M1: one mistake is one line, `file:line:column: what`. M2: never an empty list.
import { VisageError } from '../base/errors.ts';

/** `line` and `column` count from 1. For an environment variable `file` is its name and both are 0. */
export type Mistake = { readonly file: string; readonly line: number; readonly column: number; readonly message: string };

/** All mistakes of one load, one a line in `message`, in file order. */
export class MistakesError extends VisageError {
  readonly mistakes: readonly Mistake[];

  constructor(code: 'bad_definitions' | 'bad_settings' | 'bad_map' | 'bad_tokens', mistakes: readonly Mistake[]) {
    const sorted = [...mistakes].sort(byPlace);
    super(code, sorted.map(formatMistake).join('\n'), { kind: 'usage' });
    this.name = 'MistakesError';
    this.mistakes = sorted;
  }
}

export function formatMistake(mistake: Mistake): string {
  const place = mistake.line === 0 ? mistake.file : `${mistake.file}:${mistake.line}:${mistake.column}`;
  return `${place}: ${mistake.message}`;
}

function byPlace(a: Mistake, b: Mistake): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}
