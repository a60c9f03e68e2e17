// The entries of a definitions file, section by section, with their places.
// DE1: an entry with a mistake is still an entry: known by name, its keys as they stand. DE2: a name is taken once, over all files.
import { ENTRY_NAME, ENTRY_NOUN, ENTRY_SHAPES, type Section } from './file_shape.ts';
import { atKey, atValue, type LocatedFile, type Path } from './located_yaml.ts';
import { formatMistake, type Mistake } from './mistakes.ts';
import { shapeMistakes, typeText } from './shape_mistakes.ts';

/** `_profile` stands for the whole profile in a subject; change events call who was erased `erased:<hash>`. */
const RESERVED: Readonly<Partial<Record<Section, string>>> = { datasets: '_profile', namespaces: 'erased' };

/** An entry of a section: where it stands, what it says, and that again as `value` when its shape is right. */
export type Entry<T> = {
  readonly name: string;
  readonly located: LocatedFile;
  readonly path: Path;
  readonly raw: Raw;
  readonly value: T | undefined;
};
export type Raw = Readonly<Record<string, unknown>>;
export type Entries<T> = ReadonlyMap<string, Entry<T>>;

export function entriesOf<T>(section: Section, files: readonly LocatedFile[], mistakes: Mistake[]): Entries<T> {
  const entries = new Map<string, Entry<T>>();
  for (const located of files) {
    const map = isMap(located.value) ? located.value[section] : undefined;
    if (map === undefined) continue;
    if (!isMap(map)) {
      mistakes.push(atValue(located, [section], `'${section}' must be a map, not ${typeText(map)}`));
      continue;
    }
    for (const name of Object.keys(map)) {
      const path = [section, name];
      const before = entries.get(name);
      if (before !== undefined) {
        const first = formatMistake(atKey(before.located, before.path, '')).replace(/: $/, '');
        mistakes.push(atKey(located, path, `${ENTRY_NOUN[section]} '${name}' is already defined at ${first}`));
        continue;
      }
      if (RESERVED[section] === name) mistakes.push(atKey(located, path, `'${name}' is reserved`));
      else if (!ENTRY_NAME[section].pattern.test(name)) {
        mistakes.push(
          atKey(located, path, `'${name}' cannot name a ${ENTRY_NOUN[section]}; names match ${ENTRY_NAME[section].text}`),
        );
      }
      const shape = ENTRY_SHAPES[section];
      const parsed = shape.safeParse(map[name]);
      if (!parsed.success)
        mistakes.push(...shapeMistakes(located, path, map[name], parsed.error.issues, Object.keys(shape.shape)));
      const raw = isMap(map[name]) ? map[name] : {};
      entries.set(name, { name, located, path, raw, value: parsed.success ? (parsed.data as T) : undefined });
    }
  }
  return entries;
}

/** What the good entries say, in name order. */
export function mapped<T, U>(entries: Entries<T>, to: (value: T, name: string) => U): ReadonlyMap<string, U> {
  const result = new Map<string, U>();
  for (const name of [...entries.keys()].sort()) {
    const value = entries.get(name)!.value;
    if (value !== undefined) result.set(name, to(value, name));
  }
  return result;
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
