// The fields of a message that say about it, not about the person: they are no attributes.
import { isJsonObject, type Json, type JsonObject } from './json.ts';

const AUDIT = 'extSourceSystemAudit';
const LAST_UPDATED = 'lastUpdatedDate';

/** A record's body without `_id`, `identityMap` and `extSourceSystemAudit.lastUpdatedDate`. Cost: O(top-level keys) */
export function withoutEnvelope(body: JsonObject): JsonObject {
  const { _id: _, identityMap: __, ...rest } = body;
  const audit = Object.hasOwn(rest, AUDIT) ? rest[AUDIT] : undefined;
  if (!isJsonObject(audit) || !Object.hasOwn(audit, LAST_UPDATED)) return rest;
  const { [LAST_UPDATED]: ___, ...others } = audit;
  const { [AUDIT]: ____, ...without } = rest;
  return Object.keys(others).length === 0 ? without : { ...without, [AUDIT]: others };
}

/** What `withoutEnvelope` leaves out, for a look at the whole. */
export function envelopeOf(body: JsonObject): JsonObject {
  const envelope: Record<string, Json> = {};
  for (const key of ['_id', 'identityMap']) if (Object.hasOwn(body, key)) envelope[key] = body[key]!;
  const audit = lastUpdatedOf(body);
  return audit === undefined ? envelope : { ...envelope, [AUDIT]: { [LAST_UPDATED]: audit } };
}

/** The record's own word for when it was last updated. */
export function lastUpdatedOf(body: JsonObject): Json | undefined {
  const audit = Object.hasOwn(body, AUDIT) ? body[AUDIT] : undefined;
  return isJsonObject(audit) && Object.hasOwn(audit, LAST_UPDATED) ? audit[LAST_UPDATED] : undefined;
}
