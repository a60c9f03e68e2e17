// What a JSON schema adds to a live one: new properties, and nothing else.
// SA1: everything that the live one demands, the other demands too, word for word; payloads that named none of the new fields stay good.
import { canonicalJson } from './definitions_document.ts';
import { isSchema, type JsonSchema } from './schema_keywords.ts';

/** Paths of the new fields (`order.tax`, `lines[].tax`), the topmost of each; undefined: it does not only add. Cost: O(size) */
export function addedFields(live: JsonSchema, file: JsonSchema): readonly string[] | undefined {
  const added: string[] = [];
  return isExtended(live, file, '', added) ? added : undefined;
}

function isExtended(live: unknown, file: unknown, path: string, added: string[]): boolean {
  if (!isSchema(live) || !isSchema(file)) return canonicalJson(live) === canonicalJson(file);
  const keywords = new Set([...Object.keys(live), ...Object.keys(file)]);
  return [...keywords].every((keyword) => {
    const [before, after] = [live[keyword], file[keyword]];
    if (keyword === 'properties' && isSchema(after) && (before === undefined || isSchema(before)))
      return isExtendedMap(before ?? {}, after, path === '' ? '' : `${path}.`, added);
    if (keyword === 'items' && isSchema(before) && isSchema(after)) return isExtended(before, after, `${path}[]`, added);
    return canonicalJson(before ?? null) === canonicalJson(after ?? null) && keyword in live === keyword in file;
  });
}

function isExtendedMap(live: JsonSchema, file: JsonSchema, prefix: string, added: string[]): boolean {
  for (const key of Object.keys(file)) if (!Object.hasOwn(live, key)) added.push(prefix + key);
  return Object.keys(live).every((key) => Object.hasOwn(file, key) && isExtended(live[key], file[key], prefix + key, added));
}
