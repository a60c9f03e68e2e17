// Which identity owns a message: the one whose namespace has the highest priority. Source: design/semantics.md §6, §8.
// CI1: no error names an id. CI2: blocked ids say nobody, as they do in the shard (message/identities_in.ts).
import { VisageError } from '../base/errors.ts';
import { valueAt } from '../base/value_at.ts';
import type { DatasetRule, IdentityDescriptor } from '../message/admission.ts';
import { isBlockedId } from '../message/identities_in.ts';
import type { Identity } from '../message/identity.ts';

/** What the definitions say about who owns a message. A plan's admission is one. */
export type Naming = {
  /** Their priorities, 1 is the highest. */
  readonly namespaces: ReadonlyMap<string, number>;
  /** Those that are known; of others only the identityMap counts. */
  readonly datasets: ReadonlyMap<string, Pick<DatasetRule, 'behavior' | 'identities'>>;
};

type Fields = Readonly<Record<string, unknown>>;

const refuse = (code: string, message: string): VisageError => new VisageError(code, message, { kind: 'refuse' });

/** @param naming null when none is known
 *  @throws VisageError (refuse) `no_identity`, `unknown_namespace`, `ambiguous_identity`, `bad_identity`; (usage) `no_priorities` */
export function chooseIdentity(body: unknown, dataset: string, naming: Naming | null): Identity {
  if (!isObject(body)) throw refuse('no_identity', 'the message has no identityMap, and no identity was given');
  if (naming === null)
    throw new VisageError(
      'no_priorities',
      'no definitions are live yet, so the priorities of namespaces are not known; give the identity, or `namespaces`',
      { kind: 'usage' },
    );
  const map = isObject(body['identityMap']) ? body['identityMap'] : {};
  const descriptors = naming.datasets.get(dataset)?.identities ?? [];
  // an empty list names nobody: it must not hide the identity of a namespace below it
  const inMap = Object.keys(map).filter((name) => !isEmptyList(map[name]));
  const named = new Set([...inMap, ...descriptors.map(({ namespace }) => namespace)]);
  const known = [...named].filter((name) => naming.namespaces.has(name)).sort((a, b) => order(a, b, naming.namespaces));
  for (const namespace of known) {
    const ids = new Set([...idsInMap(map, namespace), ...idsInFields(body, namespace, descriptors)]);
    const [id] = ids;
    if (id === undefined) continue;
    if (ids.size > 1)
      throw refuse(
        'ambiguous_identity',
        `the message has two different ids of ${namespace}, which ranks highest here: one message has one primary identity`,
      );
    return { namespace, id };
  }
  throw nobody(inMap, descriptors, naming);
}

/** Equal priorities go by name, so that the choice never depends on the order of keys. */
function order(a: string, b: string, priorities: ReadonlyMap<string, number>): number {
  return priorities.get(a)! - priorities.get(b)! || (a < b ? -1 : 1);
}

function idsInMap(map: Fields, namespace: string): string[] {
  if (!Object.hasOwn(map, namespace)) return [];
  const list = map[namespace];
  if (!Array.isArray(list)) throw refuse('bad_identity', `identityMap.${namespace} must be an array of { "id": string }`);
  const ids = list.map((item: unknown, i) => idOf(isObject(item) ? item['id'] : undefined, `identityMap.${namespace}/${i}/id`));
  return ids.filter((id) => !isBlockedId(id));
}

function idsInFields(body: Fields, namespace: string, descriptors: readonly IdentityDescriptor[]): string[] {
  return descriptors.flatMap((descriptor) => {
    if (descriptor.namespace !== namespace) return [];
    const value = valueAt(body, descriptor.path);
    // a field that is no text is for the schema to refuse
    return typeof value === 'string' && !isBlockedId(value) ? [idOf(value, `/${descriptor.path.join('/')}`)] : [];
  });
}

function idOf(id: unknown, place: string): string {
  if (typeof id === 'string' && id.isWellFormed()) return id;
  throw refuse('bad_identity', `${place} must be a text of valid Unicode`);
}

function nobody(inMap: readonly string[], descriptors: readonly IdentityDescriptor[], { namespaces }: Naming): VisageError {
  if (inMap.length > 0 && !inMap.some((name) => namespaces.has(name)) && descriptors.length === 0)
    return refuse(
      'unknown_namespace',
      `no namespace with an id in the identityMap is defined; defined: ${[...namespaces.keys()].join(', ')}`,
    );
  const places = descriptors.map(({ path, namespace }) => `/${path.join('/')} (${namespace})`);
  const looked = places.length === 0 ? '' : ` Its dataset's schema names ${places.join(', ')}.`;
  if (inMap.length === 0 && places.length === 0)
    return refuse('no_identity', 'the message has no identityMap, and no identity was given');
  const text =
    'the message names nobody: it has no id of a defined namespace; blank, null, anonymous, invalid, undefined are none';
  return refuse('no_identity', `${text}.${looked}`);
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
