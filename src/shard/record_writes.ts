// Writes to a fragment: what they make of the record, and whether the schema allows that.
// RW1: a payload is checked as what it results in: a merge may lack what the record has already.
// Source: design/semantics.md §4, §6
import type { IdentityState } from '../aggregate/identity_state.ts';
import type { FoldSettings } from '../message/control.ts';
import type { RecordMessage } from '../message/decode.ts';
import { refusal, type Refusal } from '../message/refusal.ts';
import { envelopeOf, withoutEnvelope } from '../record/envelope.ts';
import { Fragment } from '../record/fragment.ts';
import { isJsonObject, type JsonObject } from '../record/json.ts';
import { applyMergePatch } from '../record/merge_patch.ts';

/** `text`: the record as JSON; null: the write removes it. */
export type WriteResult = { readonly text: string | null; readonly refusal: Refusal | undefined };

const REMOVED: WriteResult = { text: null, refusal: undefined };

/** Cost: JSON.parse of the record that is merged into, a schema's check, JSON.stringify of the result */
export function resultOf(write: RecordMessage, fragment: Fragment | undefined, settings: FoldSettings): WriteResult {
  if (write.operation === 'delete') return REMOVED;
  const body = write.body as JsonObject;
  const before = write.operation === 'merge' ? fragment?.record() : undefined;
  const record = applyMergePatch(before, withoutEnvelope(body));
  const text = JSON.stringify(record);
  const violations = write.dataset.check?.({ ...record, ...envelopeWith(record, body) }) ?? null;
  if (violations !== null) return { text, refusal: { reason: 'schema', errors: violations } };
  if (text.length <= settings.recordBytes) return { text, refusal: undefined };
  return { text, refusal: refusal('too_large', '', `the record would have more than ${settings.recordBytes} characters`) };
}

/** The envelope shares a key with the record where the source's system has more to say than when. */
function envelopeWith(record: JsonObject, body: JsonObject): JsonObject {
  const envelope = envelopeOf(body);
  const { extSourceSystemAudit: audit } = envelope;
  const own = Object.hasOwn(record, 'extSourceSystemAudit') ? record['extSourceSystemAudit'] : undefined;
  if (!isJsonObject(audit) || !isJsonObject(own)) return envelope;
  return { ...envelope, extSourceSystemAudit: { ...own, ...audit } };
}

/** Puts the result in the fragment's place. */
export function writeFragment(
  state: IdentityState,
  to: { readonly dataset: number; readonly lastUpdatedMs: number; readonly sequence: number; readonly text: string | null },
): void {
  const fragment = state.fragmentOf(to.dataset);
  state.merged = null;
  if (fragment === undefined) {
    state.addFragment(new Fragment(to.dataset, to.lastUpdatedMs, to.sequence, to.text));
    return;
  }
  fragment.lastUpdatedMs = to.lastUpdatedMs;
  fragment.sequence = to.sequence;
  fragment.text = to.text;
  fragment.stored = false;
}
