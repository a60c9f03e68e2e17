// The merge policies of a document: as the file writes them, and as the fold takes them.
// PO1: a class without policies has one, `default`: timestampOrdered, without stitching. PO2: there is exactly one default.
// Source: design/semantics.md §5
import type { MergePolicy } from '../record/merge_policy.ts';

/** `order`: dataSetPrecedence, the first before the others; null: timestampOrdered. */
export type PolicyDefinition = {
  readonly class: 'individual';
  readonly order: readonly string[] | null;
  readonly stitching: 'none' | 'graph';
  readonly default: boolean;
};

const IMPLICIT: PolicyDefinition = { class: 'individual', order: null, stitching: 'none', default: true };

/** Those that are in force: the file's, or the one that stands for none. */
export function policiesInForce(defined: ReadonlyMap<string, PolicyDefinition>): ReadonlyMap<string, PolicyDefinition> {
  return defined.size > 0 ? defined : new Map([['default', IMPLICIT]]);
}

/** As the canonical text has it. */
export function policyFileForm({ class: class_, order, stitching, default: isDefault }: PolicyDefinition): unknown {
  return {
    class: class_,
    attributes: order === null ? 'timestampOrdered' : { dataSetPrecedence: order },
    stitching,
    ...(isDefault ? { default: true } : {}),
  };
}

/** By name. @param datasets names, as `Plan.datasets` has them */
export function planPolicies(
  defined: ReadonlyMap<string, PolicyDefinition>,
  datasets: readonly string[],
): { readonly policies: readonly MergePolicy[]; readonly policy: MergePolicy } {
  const policies = [...policiesInForce(defined)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { order, stitching, default: isDefault }]): MergePolicy => ({
      name,
      isDefault,
      stitching,
      order: order === null ? null : order.map((dataset) => datasets.indexOf(dataset)),
    }));
  return { policies, policy: policies.find(({ isDefault }) => isDefault)! };
}
