// Who deleted or erased what: one entry for each answer of such a page, whether it was done or refused.
// AL1: never an id: a person is named by the keyed hash that erasures use, and only who has the secret can look for somebody.
// AL2: written when the answer is known, whether or not somebody is still there to hear it.
import type { FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify';
import type { WriteService } from '../ports/writes.ts';

export type AuditEntry = {
  /** Name of the token; null: nobody was asked, or it was none. */
  readonly who: string | null;
  readonly action: 'delete_profile' | 'erase_profile' | 'delete_dataset';
  readonly dataset?: string;
  /** Of the identity. */
  readonly hash?: string;
  readonly shard?: number;
  readonly outcome: 'accepted' | 'refused';
  readonly status: number;
  /** Why it was refused. */
  readonly code?: string;
  /** Where it is in the log; of a dataset: for each shard. */
  readonly sequence?: number | readonly number[];
  readonly requestId: string;
};

export type Audit = (entry: AuditEntry) => void;

/** As a route's `onSend`: the last thing that happens to every answer, refusals before the body included. */
export function audited(action: AuditEntry['action'], audit: Audit, names: Names): onSendHookHandler<unknown> {
  return (request, reply, payload, done) => {
    const outcome = outcomeOf(reply, payload);
    audit({ who: request.caller?.name ?? null, action, ...subjectOf(request, names), ...outcome, requestId: request.id });
    done();
  };
}

type Names = Pick<WriteService, 'pseudonymOf' | 'isDataset'>;

/** A name that is no dataset may be anything, somebody's address too. */
function subjectOf(request: FastifyRequest, names: Names): Partial<AuditEntry> {
  const { namespace, id, dataset } = request.params as Readonly<Record<string, string | undefined>>;
  if (dataset !== undefined) return names.isDataset(dataset) ? { dataset } : {};
  return (namespace !== undefined && id !== undefined && names.pseudonymOf({ namespace, id })) || {};
}

type Said = {
  readonly code?: string;
  readonly sequence?: number;
  readonly shards?: readonly { readonly sequence: number }[];
};

function outcomeOf(
  { statusCode: status }: FastifyReply,
  payload: unknown,
): Pick<AuditEntry, 'outcome' | 'status'> & Partial<AuditEntry> {
  const { code, sequence, shards } = JSON.parse(payload as string) as Said;
  if (status >= 300) return { outcome: 'refused', status, ...(code !== undefined && { code }) };
  const where = shards === undefined ? sequence : shards.map((each) => each.sequence);
  return { outcome: 'accepted', status, ...(where !== undefined && { sequence: where }) };
}
