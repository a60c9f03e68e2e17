// Why a message is refused: a closed list of reasons, and every violation with its place.

export const REFUSAL_REASONS = [
  'malformed', // not JSON, not UTF-8, not an object
  'bad_subject', // the subject is not <dataset>.<namespace>.<canonical id>
  'unknown_dataset',
  'unknown_namespace',
  'too_large', // body, id, depth or number of identities over its limit
  'future', // later than the log's time by more than maxFutureSkew
  'missing_id',
  'missing_timestamp',
  'bad_timestamp', // present, but not RFC 3339
  'schema', // the payload breaks its dataset's schema, or a field of the envelope has the wrong type
  'ambiguous_identity', // two different ids of the namespace that ranks highest
  'bad_operation', // Visage-Operation is none, or not one for this dataset
  'forbidden_key', // __proto__
  'not_finite', // a number beyond what a double holds
  'blocked_id',
  'wrong_partition', // the message is in a shard that its identity does not hash to
  'no_definitions', // it arrived before any definitions were live
] as const;

export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** One violation: where (JSON pointer into the body; `/subject` and below for the subject), which rule, in words. */
export type Violation = { readonly pointer: string; readonly keyword: string; readonly message: string };

export type Refusal = { readonly reason: RefusalReason; readonly errors: readonly Violation[] };

export function refusal(reason: RefusalReason, pointer: string, message: string): Refusal {
  return { reason, errors: [{ pointer, keyword: reason, message }] };
}
