// Sizes in settings: `512MB` → bytes.
import { VisageError } from './errors.ts';

const UNIT: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };

/** `512MB` → 536,870,912 (units of 1,024). @throws VisageError `bad_size` */
export function parseBytes(text: string): number {
  const m = /^(\d+(?:\.\d+)?)(B|KB|MB|GB|TB)$/.exec(text);
  const bytes = m === null ? NaN : Math.round(Number(m[1]) * UNIT[m[2]!]!);
  if (!Number.isSafeInteger(bytes)) {
    throw new VisageError('bad_size', `'${text}' is not a size; write a number and a unit: B, KB, MB, GB or TB, e.g. 512MB`, {
      kind: 'usage',
    });
  }
  return bytes;
}

/** 536,870,912 → `512MB`. */
export function formatBytes(bytes: number): string {
  for (const unit of ['TB', 'GB', 'MB', 'KB'] as const) {
    if (bytes !== 0 && bytes % UNIT[unit]! === 0) return `${bytes / UNIT[unit]!}${unit}`;
  }
  return `${bytes}B`;
}
