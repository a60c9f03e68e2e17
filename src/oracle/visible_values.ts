// Everything that change events speak of, as the log says it should be.
import type { EpochMs } from '../base/time.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { ShardOracle } from './brute_force.ts';
import { namedLeaves } from './json_tree.ts';

/** A profile's visible values by path (`computed.<name>`, `attributes.<leaf>` under the default policy), at the instant `timeMs` over all
 *  messages up to `sequence`; undefined when there is no profile to see. Cost: that of one recomputation */
export function visibleValues(
  oracle: ShardOracle,
  key: IdentityKey,
  at: { readonly timeMs: EpochMs; readonly sequence: number },
): Map<string, unknown> | undefined {
  const computed = oracle.profileAt(key, at.timeMs, at.sequence);
  const attributes = oracle.attributesAt(key, at.sequence);
  if (computed === undefined || attributes === undefined) return undefined;
  const values = new Map<string, unknown>(namedLeaves(attributes));
  for (const [name, { value }] of Object.entries(computed)) values.set(`computed.${name}`, value);
  return values;
}
