// Which identity owns a message: the one whose namespace has the highest priority. Source: design/semantics.md §8.
// CI1: no error names an id.
import { VisageError } from '../base/errors.ts';
import type { Identity } from '../message/identity.ts';

const refuse = (code: string, message: string): VisageError => new VisageError(code, message, { kind: 'refuse' });

/** @param priorities by namespace, 1 is the highest; null when none are known
 *  @throws VisageError (refuse) `no_identity`, `unknown_namespace`, `ambiguous_identity`, `bad_identity`; (usage) `no_priorities` */
export function chooseIdentity(body: unknown, priorities: ReadonlyMap<string, number> | null): Identity {
  const map: unknown = isObject(body) ? body['identityMap'] : undefined;
  // an empty list names nobody: it must not hide the identity of a namespace below it
  const named = isObject(map) ? Object.keys(map).filter((name) => !isEmptyList(map[name])) : [];
  if (!isObject(map) || named.length === 0)
    throw refuse('no_identity', 'the message has no identityMap, and no identity was given');
  if (priorities === null)
    throw new VisageError(
      'no_priorities',
      'no definitions are live yet, so the priorities of namespaces are not known; give the identity, or `namespaces`',
      { kind: 'usage' },
    );
  const namespaces = named.filter((name) => priorities.has(name));
  if (namespaces.length === 0)
    throw refuse(
      'unknown_namespace',
      `no namespace with an id in the identityMap is defined; defined: ${[...priorities.keys()].join(', ')}`,
    );
  const best = namespaces.reduce((a, b) => (before(b, a, priorities) ? b : a));
  const ids = idsOf(map[best], best);
  const first = ids[0]!; // `named` has no empty list
  if (ids.some((id) => id !== first))
    throw refuse('ambiguous_identity', `identityMap.${best} has two different ids: one message has one primary identity`);
  return { namespace: best, id: first };
}

/** Equal priorities go by name, so that the choice never depends on the order of keys. */
function before(a: string, b: string, priorities: ReadonlyMap<string, number>): boolean {
  const difference = priorities.get(a)! - priorities.get(b)!;
  return difference < 0 || (difference === 0 && a < b);
}

function idsOf(list: unknown, namespace: string): string[] {
  if (!Array.isArray(list)) throw refuse('bad_identity', `identityMap.${namespace} must be an array of { "id": string }`);
  return list.map((item: unknown, i) => {
    const id = isObject(item) ? item['id'] : undefined;
    if (typeof id !== 'string' || id === '' || !id.isWellFormed())
      throw refuse('bad_identity', `identityMap.${namespace}/${i}/id must be a text of valid Unicode that is not empty`);
    return id;
  });
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
