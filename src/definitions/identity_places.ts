// Where the payloads of a schema hold identities, beside identityMap and the subject: JSON pointers through objects.
// IP1: every mistake at once, each at its place.
import { isMap, type Entries, type Entry } from './definition_entries.ts';
import type { IdentityPlace } from './definitions_document.ts';
import { jsonShape, shapeAt, suggestPath } from './event_shape.ts';
import type { FileNamespace, FileSchema } from './file_shape.ts';
import { atValue } from './located_yaml.ts';
import type { Mistake } from './mistakes.ts';
import { didYouMean } from './near_miss.ts';

/** The keys of a JSON pointer; undefined when it is none, or points at the whole. */
export function parsePointer(text: string): readonly string[] | undefined {
  if (!/^(?:\/(?:[^~/]|~[01])*)+$/.test(text)) return undefined;
  return text
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** In one order, whatever that in the file: they say the same. */
export function identityPlaces({ identities }: FileSchema): readonly IdentityPlace[] {
  return [...(identities ?? [])].map(({ path, namespace }) => ({ path, namespace })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** @param complete false: a file could not be read, and namespaces may be in it */
export function identityMistakes(schemas: Entries<FileSchema>, namespaces: Entries<FileNamespace>, complete: boolean): Mistake[] {
  return [...schemas.values()].flatMap((entry) => {
    const given = entry.raw['identities'];
    if (!Array.isArray(given)) return [];
    const seen = new Set<string>();
    return given.flatMap((item: unknown, i) => {
      if (!isMap(item)) return [];
      const { path, namespace } = item;
      const at = [...entry.path, 'identities', i];
      const mistakes: Mistake[] = [];
      if (typeof path === 'string') {
        const wrong = seen.has(path) ? `'${path}' stands here twice` : wrongPath(path, entry);
        if (wrong !== undefined) mistakes.push(atValue(entry.located, [...at, 'path'], wrong));
        seen.add(path);
      }
      if (complete && typeof namespace === 'string' && !namespaces.has(namespace)) {
        const known = namespaces.size === 0 ? 'none is defined' : `defined: ${[...namespaces.keys()].join(', ')}`;
        mistakes.push(
          atValue(
            entry.located,
            [...at, 'namespace'],
            `unknown namespace '${namespace}'${didYouMean(namespace, namespaces.keys())}; ${known}`,
          ),
        );
      }
      return mistakes;
    });
  });
}

function wrongPath(path: string, { name, raw }: Entry<FileSchema>): string | undefined {
  const keys = parsePointer(path);
  if (keys === undefined) return `'${path}' is no JSON pointer to a field: write it as /person/id`;
  if (keys[0] === 'identityMap') return `identityMap is looked at anyway; a path names another field`;
  const shape = jsonShape(raw['jsonSchema']);
  const there = shapeAt(shape, keys);
  if (there === undefined) return `schema '${name}' declares no '${path}'${suggestPath(shape, keys, '')}`;
  return there.kind === 'string' || there.kind === 'dyn'
    ? undefined
    : `'${path}' is ${there.kind} in schema '${name}'; an id is a string`;
}
