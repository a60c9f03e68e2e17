// Where two definitions documents differ, for people. F1: equal hashes give an empty list.
import type { DefinitionsDocument } from './definitions_document.ts';

/** One line per place that differs: its path, the live value and the file's. Cost: O(size of both). @throws never */
export function differences(live: DefinitionsDocument, file: DefinitionsDocument): string[] {
  const lines: string[] = [];
  compare('', JSON.parse(live.canonical), JSON.parse(file.canonical), lines);
  return lines;
}

function compare(path: string, live: unknown, file: unknown, lines: string[]): void {
  if (isObject(live) && isObject(file)) {
    for (const key of [...new Set([...Object.keys(live), ...Object.keys(file)])].sort()) {
      compare(path === '' ? key : `${path}.${key}`, own(live, key), own(file, key), lines);
    }
    return;
  }
  if (text(live) !== text(file)) lines.push(`${path}: live ${text(live)}, file ${text(file)}`);
}

function own(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value);
}
