// The merge policy that a reader asks for.
import type { Plan } from '../aggregate/plan.ts';
import { VisageError } from '../base/errors.ts';
import type { MergePolicy } from '../record/merge_policy.ts';

/** The default one when none is named. @throws VisageError `no_such_policy` (usage); it does not repeat what was asked with */
export function policyNamed(plan: Plan, name: string | undefined): MergePolicy {
  if (name === undefined) return plan.policy;
  const found = plan.policies.find((policy) => policy.name === name);
  if (found !== undefined) return found;
  const known = plan.policies.map((policy) => policy.name).join(', ');
  throw new VisageError('no_such_policy', `there is no such merge policy; known: ${known}`, { kind: 'usage' });
}
