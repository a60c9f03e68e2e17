// One message as it came in over HTTP: unwrapped, and whose it is.
// IM1: a payload is sent as it stands: its numbers keep their digits. IM2: no error repeats anything of it.
import { VisageError } from '../base/errors.ts';
import type { Admission } from '../message/admission.ts';
import type { RecordOperation } from '../message/decode.ts';
import type { Identity } from '../message/identity.ts';
import { unwrap } from '../message/xdm_envelope.ts';
import type { Batch } from '../ports/writes.ts';
import { chooseIdentity } from '../producer/choose_identity.ts';
import { checkOperation } from '../producer/message_kind.ts';

/** As much as a line of a file may have; what a shard takes is less. */
const CHARACTERS_MAX = 1024 * 1024;

export type Incoming = { readonly identity: Identity; readonly body: string | null; readonly operation?: RecordOperation };

/** @throws VisageError (refuse, usage): the fault of this message */
export function incomingMessage(text: string | null, batch: Batch, admission: Admission): Incoming {
  const { dataset, identity } = batch;
  if (text === null) {
    if (identity === undefined) throw refuse('no_identity', 'there is no body, and namespace and id are not given');
    return { identity, body: null, ...operationOf(batch.operation) };
  }
  if (text.length > CHARACTERS_MAX) throw refuse('too_large', `the message has more than ${CHARACTERS_MAX} characters`);
  const object = objectIn(text);
  const unwrapped = unwrap(text, object);
  if (unwrapped !== undefined && 'wrong' in unwrapped) throw refuse('malformed', unwrapped.wrong);
  const { payload, operation } = unwrapped ?? { payload: object, operation: null };
  if (operation !== null) checkOperation(dataset, { operation }, admission);
  return {
    identity: identity ?? chooseIdentity(payload, dataset, admission),
    body: unwrapped?.text ?? text,
    ...operationOf(operation ?? batch.operation),
  };
}

function operationOf(operation: RecordOperation | undefined): { readonly operation?: RecordOperation } {
  return operation === undefined ? {} : { operation };
}

function objectIn(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('malformed', 'the message is not JSON'); // without its cause: that would quote it
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>;
  throw refuse('malformed', 'the message is not a JSON object');
}

function refuse(code: string, message: string): VisageError {
  return new VisageError(code, message, { kind: 'refuse' });
}
