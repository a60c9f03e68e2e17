// From a log message to an admitted event, write or delete, or to a refusal with every reason. Pure; shared by the fold and the oracle.
// D1: nothing in here throws for any input: bad input is a value.
// D2: the decision is a function of the message, its log time and the definitions and settings in force: replay repeats it.
import { fnv1a32 } from '../base/fnv1a.ts';
import { parseRfc3339, type EpochMs } from '../base/time.ts';
import type { Admission, DatasetRule, EventBody } from './admission.ts';
import type { FoldSettings } from './control.ts';
import { isBlockedId, lookAtIdentities } from './identities_in.ts';
import { decodeId, rawIdBytes, type IdentityKey } from './identity.ts';
import type { LogMessage } from './log_message.ts';
import { findUnclean, isClean, parseBody, Violations } from './payload.ts';
import { checkRecordShape } from './record_shape.ts';
import { refusal, type Refusal } from './refusal.ts';
import { DATASET_NAME, PROFILE_TOKEN } from './subject.ts';
import { Unreadable } from './unreadable.ts';

/** An admitted event. `atMs` is the effective time: the earlier of its timestamp and the log's time. `ranksOther`: the payload has an
 *  identity of a higher namespace than the subject's. */
export type EventMessage = {
  readonly kind: 'event';
  readonly dataset: DatasetRule;
  readonly key: IdentityKey;
  readonly id: string;
  readonly timestampMs: EpochMs;
  readonly atMs: EpochMs;
  readonly eventType: string;
  readonly body: EventBody;
  readonly ranksOther: boolean;
};

export type RecordOperation = 'create' | 'merge' | 'delete';

/** An admitted write to a fragment. Its payload is checked against the schema where the result of it is known. `id`: `_id`, if it has one. */
export type RecordMessage = {
  readonly kind: 'record';
  readonly dataset: DatasetRule;
  readonly key: IdentityKey;
  readonly operation: RecordOperation;
  readonly id: string | null;
  readonly lastUpdatedMs: EpochMs;
  /** What tombstones are held against: a write lives if this is later than theirs. Who does not say when is later than what stands before in
   *  the log, be it in the same millisecond. */
  readonly livesPastMs: number;
  readonly body: EventBody;
  readonly ranksOther: boolean;
};

/** A message about a whole profile. */
export type ProfileMessage = { readonly kind: 'profile'; readonly key: IdentityKey; readonly operation: 'delete' | 'erase' };

export type Decoded = EventMessage | RecordMessage | ProfileMessage;

export type DecodeContext = {
  /** Length of `<root>.log.<p>.in.` */
  readonly prefixLength: number;
  readonly shard: number;
  readonly partitions: number;
  /** Of the fold at this sequence. Before PACKED_VERSION every body was JSON. Before RECORDS_VERSION payloads were not checked against schemas and there were events only. */
  readonly foldVersion: number;
};

/** The first version of the fold that knows records, schemas and deletes. */
export const RECORDS_VERSION = 3;

/** The first that knows MessagePack: before it a body that begins as a map of that was not JSON, whatever its headers said. */
export const PACKED_VERSION = 5;

export type SubjectParts = {
  readonly dataset: string;
  readonly namespace: string;
  readonly token: string;
  readonly key: IdentityKey;
};

/** Causes of change events repeat the id, and a commit's size is bounded before it is encoded. */
const EVENT_ID_MAX = 512;
export const OPERATION_HEADER = 'Visage-Operation';
export const LAST_UPDATED_HEADER = 'Visage-Last-Updated';
const OPERATION = OPERATION_HEADER.toLowerCase();
const LAST_UPDATED = LAST_UPDATED_HEADER.toLowerCase();

/** Splits `<prefix><dataset>.<namespace>.<token>`; undefined when it has not exactly these three tokens. */
export function splitSubject(subject: string, prefixLength: number): SubjectParts | undefined {
  const first = subject.indexOf('.', prefixLength);
  const second = first < 0 ? -1 : subject.indexOf('.', first + 1);
  if (second < 0 || second === subject.length - 1 || subject.indexOf('.', second + 1) >= 0) return undefined;
  return {
    dataset: subject.slice(prefixLength, first),
    namespace: subject.slice(first + 1, second),
    token: subject.slice(second + 1),
    key: subject.slice(first + 1),
  };
}

/** Decides about one message. Cost: JSON.parse plus about 0.5 µs, and the schema's check. @throws never */
export function decodeMessage(
  message: LogMessage,
  logMs: EpochMs,
  admission: Admission | null,
  settings: FoldSettings,
  context: DecodeContext,
): Decoded | Refusal {
  const parts = splitSubject(message.subject, context.prefixLength);
  if (parts === undefined) return refusal('bad_subject', '/subject', 'the subject must be <dataset>.<namespace>.<encoded id>');
  if (admission === null)
    return refusal('no_definitions', '/subject', 'no definitions were live when this message arrived; replay it after setup');
  const knowsRecords = context.foldVersion >= RECORDS_VERSION;
  const isProfile = knowsRecords && parts.dataset === PROFILE_TOKEN;
  const dataset = isProfile ? undefined : admission.datasets.get(parts.dataset);
  if (dataset === undefined && !isProfile)
    return refusal(
      DATASET_NAME.test(parts.dataset) ? 'unknown_dataset' : 'bad_subject',
      '/subject/dataset',
      'no such dataset is defined',
    );
  const why = refuseIdentity(parts, admission, settings, context);
  if (why !== undefined) return why;
  if (dataset === undefined) return decodeProfile(message, parts.key);
  const isRecord = dataset.behavior === 'record';
  const bytesMax = isRecord ? settings.recordBytes : settings.eventBytes;
  if (message.body.length > bytesMax)
    return refusal('too_large', '', `the body has ${message.body.length} bytes; the limit is ${bytesMax}`);
  const packed = context.foldVersion >= PACKED_VERSION;
  const given = { message, parts, logMs, dataset, admission, settings, packed, depth: settings.depth, formOnly: !knowsRecords };
  return isRecord ? decodeRecord(given) : decodeEvent(given);
}

function refuseIdentity(
  parts: SubjectParts,
  admission: Admission,
  settings: FoldSettings,
  context: DecodeContext,
): Refusal | undefined {
  if (!admission.namespaces.has(parts.namespace))
    return refusal('unknown_namespace', '/subject/namespace', 'no such namespace is defined');
  if (rawIdBytes(parts.token) > settings.idBytes)
    return refusal('too_large', '/subject/id', `the id has more than ${settings.idBytes} bytes`);
  const id = decodeId(parts.token);
  if (id === undefined)
    return refusal(
      'bad_subject',
      '/subject/id',
      'the id is not percent-encoded canonically: every byte outside [A-Za-z0-9_~-] as %XX, upper-case',
    );
  if (isBlockedId(id))
    return refusal('blocked_id', '/subject/id', 'this id is blocked: blank, null, anonymous, invalid, undefined');
  if (fnv1a32(parts.token, fnv1a32(parts.namespace)) % context.partitions !== context.shard)
    return refusal('wrong_partition', '/subject', `the identity does not hash to shard ${context.shard}`);
  return undefined;
}

type Given = {
  readonly message: LogMessage;
  readonly parts: SubjectParts;
  readonly logMs: EpochMs;
  readonly dataset: DatasetRule;
  readonly admission: Admission;
  readonly settings: FoldSettings;
  readonly packed: boolean;
  readonly depth: number;
  readonly formOnly: boolean;
};

function decodeEvent(given: Given): EventMessage | Refusal {
  const event = parseBody(given.message, given);
  if (event instanceof Unreadable) return event.refusal;
  const timestamp = event['timestamp'];
  const timestampMs = typeof timestamp === 'string' ? parseRfc3339(timestamp) : NaN;
  let ranksOther = false;
  // nearly every event keeps to the rules and names nobody else: what is needed to say more is made for the others only
  if (!isPlainEvent(event, timestampMs, given)) {
    const seen = examineEvent(event, given);
    if (typeof seen === 'object') return seen;
    ranksOther = seen;
  }
  const { logMs } = given;
  return {
    kind: 'event',
    dataset: given.dataset,
    key: given.parts.key,
    id: event['_id'] as string,
    timestampMs,
    atMs: timestampMs < logMs ? timestampMs : logMs,
    eventType: (event['eventType'] as string | undefined) ?? '',
    body: event,
    ranksOther,
  };
}

/** Does it name nobody but its subject, and would `examineEvent` find nothing? */
function isPlainEvent(event: EventBody, timestampMs: number, given: Given): boolean {
  const { dataset, settings } = given;
  if (event['identityMap'] !== undefined || dataset.identities.length > 0) return false;
  const id = event['_id'];
  const eventType = event['eventType'];
  return (
    timestampMs <= given.logMs + settings.maxFutureSkewMs &&
    typeof id === 'string' &&
    id !== '' &&
    id.length <= EVENT_ID_MAX &&
    (eventType === undefined || typeof eventType === 'string') &&
    isClean(event, settings.depth) &&
    (dataset.check === null || given.formOnly || dataset.check(event) === null)
  );
}

/** @returns why it is refused; else, does it name an identity that ranks higher than its subject's? */
function examineEvent(event: EventBody, given: Given): Refusal | boolean {
  const { dataset, settings } = given;
  const found = new Violations();
  const clean = isClean(event, settings.depth);
  if (!clean) findUnclean(event, '', settings.depth, found);
  const id = event['_id'];
  if (id === undefined || id === null || id === '') found.add('missing_id', '/_id', 'an event needs an _id: a non-empty string');
  else checkId(id, found);
  const timestamp = event['timestamp'];
  if (timestamp === undefined || timestamp === null || timestamp === '')
    found.add('missing_timestamp', '/timestamp', 'an event needs a timestamp');
  else readTime(timestamp, '/timestamp', given, found);
  const eventType = event['eventType'];
  if (eventType !== undefined && typeof eventType !== 'string') found.add('schema', '/eventType', 'eventType must be a string');
  const ranksOther = lookAtIdentities(event, given, found);
  if (clean && !given.formOnly && dataset.check !== null) found.addAll(dataset.check(event));
  return found.refusal() ?? ranksOther;
}

function decodeRecord(given: Given): RecordMessage | Refusal {
  const { message, logMs, dataset, settings } = given;
  const headers = headersOf(message);
  if (headers === undefined) return refusal('malformed', '/headers', 'the headers cannot be read');
  const found = new Violations();
  const operation = headers.operation ?? 'create';
  const isKnown = operation === 'create' || operation === 'merge' || operation === 'delete';
  if (!isKnown)
    found.add('bad_operation', `/headers/${OPERATION_HEADER}`, 'the operation of a record is create, merge or delete');
  const isEmpty = operation === 'delete' && message.body.length === 0;
  const body = isEmpty ? {} : parseBody(message, given);
  if (body instanceof Unreadable) return body.refusal;
  if (!isClean(body, settings.depth)) findUnclean(body, '', settings.depth, found);
  else if (operation !== 'delete') checkRecordShape(body, found);
  const id = body['_id'];
  if (id !== undefined) {
    if (id === null || id === '') found.add('missing_id', '/_id', '_id must be a non-empty string, or absent');
    else checkId(id, found);
  }
  const header = headers.lastUpdated;
  const own = lastUpdatedIn(body);
  let lastUpdatedMs = logMs;
  if (header !== undefined) lastUpdatedMs = readTime(header, `/headers/${LAST_UPDATED_HEADER}`, given, found);
  else if (own !== undefined) lastUpdatedMs = readTime(own, '/extSourceSystemAudit/lastUpdatedDate', given, found);
  const ranksOther = lookAtIdentities(body, given, found);
  const why = found.refusal();
  if (why !== undefined || !isKnown) return why ?? found.refusal()!;
  return {
    kind: 'record',
    dataset,
    key: given.parts.key,
    operation,
    id: (id as string | undefined) ?? null,
    lastUpdatedMs,
    livesPastMs: header === undefined && own === undefined ? lastUpdatedMs + 0.5 : lastUpdatedMs,
    body,
    ranksOther,
  };
}

function decodeProfile(message: LogMessage, key: IdentityKey): ProfileMessage | Refusal {
  const headers = headersOf(message);
  if (headers === undefined) return refusal('malformed', '/headers', 'the headers cannot be read');
  const { operation } = headers;
  if (operation === 'delete' || operation === 'erase') return { kind: 'profile', key, operation };
  const text = `a message about a whole profile needs the header ${OPERATION_HEADER}: delete or erase`;
  return refusal('bad_operation', `/headers/${OPERATION_HEADER}`, text);
}

/** The headers that say something here, undefined when they cannot be read: the server stores any bytes as headers. */
function headersOf(message: LogMessage): { readonly operation?: string; readonly lastUpdated?: string } | undefined {
  if (message.headers === null) return {};
  try {
    const found: { operation?: string; lastUpdated?: string } = {};
    for (const [name, value] of Object.entries(message.headers())) {
      const lower = name.toLowerCase();
      if (lower === OPERATION) found.operation = value;
      else if (lower === LAST_UPDATED) found.lastUpdated = value;
    }
    return found;
  } catch {
    return undefined;
  }
}

function checkId(id: unknown, found: Violations): void {
  if (typeof id !== 'string') found.add('schema', '/_id', '_id must be a string');
  else if (id.length > EVENT_ID_MAX) found.add('too_large', '/_id', `_id has more than ${EVENT_ID_MAX} characters`);
}

function readTime(value: unknown, pointer: string, { logMs, settings }: Given, found: Violations): EpochMs {
  const name = pointer.slice(pointer.lastIndexOf('/') + 1);
  const timeMs = typeof value === 'string' ? parseRfc3339(value) : NaN;
  if (timeMs !== timeMs) found.add('bad_timestamp', pointer, `the ${name} is not RFC 3339, e.g. 2026-03-10T09:00:00.000Z`);
  else if (timeMs > logMs + settings.maxFutureSkewMs)
    found.add('future', pointer, `the ${name} is more than ${settings.maxFutureSkewMs} ms later than the log's time`);
  return timeMs;
}

function lastUpdatedIn(body: EventBody): unknown {
  const audit = body['extSourceSystemAudit'];
  return typeof audit === 'object' && audit !== null ? (audit as EventBody)['lastUpdatedDate'] : undefined;
}

export function isRefusal(decoded: Decoded | Refusal): decoded is Refusal {
  return 'reason' in decoded;
}
