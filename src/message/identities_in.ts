// The identities that a payload names: in its `identityMap`, and where its schema says that there are some.
// II1: the subject's identity owns the message. One that ranks higher is said, two that rank highest are refused.
// II2: blocked ids say nobody; namespaces that are not defined are none of ours.
// Source: design/semantics.md §6, §8
import { valueAt } from '../base/value_at.ts';
import type { Admission, DatasetRule, EventBody } from './admission.ts';
import type { FoldSettings } from './control.ts';
import { decodeId, type Identity } from './identity.ts';
import { placeIn } from './json_pointer.ts';
import type { Violations } from './payload.ts';

export type Naming = {
  /** The identity that the message's subject names: one that is admitted. */
  readonly parts: { readonly namespace: string; readonly token: string };
  readonly dataset: DatasetRule;
  readonly admission: Admission;
  readonly settings: FoldSettings;
  /** Only the form of the identityMap counts: for logs of before there were descriptors. */
  readonly formOnly: boolean;
};

type Named = Identity & { readonly pointer: string };

const BLOCKED = new Set(['null', 'anonymous', 'invalid', 'undefined']);

/** @returns does another namespace of the payload rank higher than the subject's?  Cost: O(identities) */
export function lookAtIdentities(body: EventBody, naming: Naming, found: Violations): boolean {
  const { admission, dataset, settings } = naming;
  const map = body['identityMap'];
  if (map === undefined && dataset.identities.length === 0) return false;
  const named: Named[] = [];
  const before = found.count;
  if (map !== undefined) collectMap(map, named, settings, found);
  if (naming.formOnly || found.count > before) return false;
  for (const { path, namespace } of dataset.identities) {
    const id = valueAt(body, path);
    if (typeof id === 'string') named.push({ namespace, id, pointer: path.reduce(placeIn, '') });
  }
  if (named.length > settings.identitiesPerMessage) tooMany(settings, found);
  const known = named.filter(({ namespace, id }) => admission.namespaces.has(namespace) && !isBlockedId(id));
  for (const { id, pointer } of known) {
    if (!id.isWellFormed()) found.add('schema', pointer, 'must be valid Unicode: it holds half of a surrogate pair');
    else if (byteLength(id) > settings.idBytes) found.add('too_large', pointer, `the id has more than ${settings.idBytes} bytes`);
  }
  return findHighest(known, naming, found);
}

function findHighest(known: readonly Named[], { parts, admission }: Naming, found: Violations): boolean {
  const rank = (namespace: string): number => admission.namespaces.get(namespace)!;
  let highest: Identity = { namespace: parts.namespace, id: decodeId(parts.token)! };
  for (const each of known) {
    const difference = rank(each.namespace) - rank(highest.namespace);
    if (difference < 0 || (difference === 0 && each.namespace < highest.namespace)) highest = each;
  }
  const { namespace, id } = highest;
  const other = known.find((each) => each.namespace === namespace && each.id !== id);
  if (other !== undefined)
    found.add(
      'ambiguous_identity',
      other.pointer,
      `two different ids of ${namespace}, which ranks highest here: a message has one primary identity`,
    );
  return rank(namespace) < rank(parts.namespace);
}

function collectMap(map: unknown, named: Named[], settings: FoldSettings, found: Violations): void {
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    return found.add('schema', '/identityMap', 'identityMap must be an object of arrays');
  const lists = Object.values(map) as unknown[];
  const identities = lists.reduce<number>((sum, list) => sum + (Array.isArray(list) ? list.length : 0), 0);
  if (identities > settings.identitiesPerMessage) return tooMany(settings, found);
  for (const namespace of Object.keys(map)) {
    if (found.isFull) return;
    const list = (map as Record<string, unknown>)[namespace];
    const at = placeIn('/identityMap', namespace);
    if (!Array.isArray(list)) {
      found.add('schema', at, 'must be an array of { "id": string }');
      continue;
    }
    list.forEach((item: unknown, i) => {
      const id: unknown = typeof item === 'object' && item !== null ? (item as EventBody)['id'] : undefined;
      if (typeof id !== 'string') found.add('schema', `${at}/${i}/id`, 'must be a string');
      else named.push({ namespace, id, pointer: `${at}/${i}/id` });
    });
  }
}

function tooMany({ identitiesPerMessage }: FoldSettings, found: Violations): void {
  found.add('too_large', '/identityMap', `more than ${identitiesPerMessage} identities in one message`);
}

/** In UTF-8. */
function byteLength(id: string): number {
  let bytes = 0;
  for (const character of id) {
    const code = character.codePointAt(0)!;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** Ids that say nobody. Most are told by a look at their first character and their length: the fold asks for every message. */
export function isBlockedId(id: string): boolean {
  const first = id.charCodeAt(0);
  if (!(first > 32 && first < 127) && id.trim() === '') return true;
  return (id.length === 4 || id.length === 7 || id.length === 9) && BLOCKED.has(id);
}
