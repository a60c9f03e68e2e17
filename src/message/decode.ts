// From a log message to an admitted event, or to a refusal with every reason. Pure; shared by the fold and the oracle.
// D1: nothing in here throws for any input: bad input is a value.
// D2: the decision is a function of the message, its log time and the definitions and settings in force: replay repeats it.
import { fnv1a32 } from '../base/fnv1a.ts';
import type { EpochMs } from '../base/time.ts';
import { parseRfc3339 } from '../base/time.ts';
import type { FoldSettings } from './control.ts';
import { decodeId, rawIdBytes, type IdentityKey } from './identity.ts';
import type { LogMessage } from './log_message.ts';
import { refusal, type Refusal, type RefusalReason, type Violation } from './refusal.ts';
import { DATASET_NAME } from './subject.ts';

/** What the definitions say about who may send what. */
export type Admission = {
  readonly datasets: ReadonlyMap<string, DatasetRule>;
  readonly namespaces: ReadonlySet<string>;
};

/** `index` orders the datasets by name; `profile: false` datasets are stored and checked but touch no profile. */
export type DatasetRule = { readonly name: string; readonly index: number; readonly profile: boolean };

export type EventBody = Readonly<Record<string, unknown>>;

/** An admitted event. `atMs` is the effective time: the earlier of its timestamp and the log's time. */
export type EventMessage = {
  readonly dataset: DatasetRule;
  readonly key: IdentityKey;
  readonly id: string;
  readonly timestampMs: EpochMs;
  readonly atMs: EpochMs;
  readonly eventType: string;
  readonly body: EventBody;
};

export type DecodeContext = {
  /** Length of `<root>.log.<p>.in.` */
  readonly prefixLength: number;
  readonly shard: number;
  readonly partitions: number;
};

export type SubjectParts = {
  readonly dataset: string;
  readonly namespace: string;
  readonly token: string;
  readonly key: IdentityKey;
};

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Causes of change events repeat the id, and a commit's size is bounded before it is encoded. */
const EVENT_ID_MAX = 512;
const BLOCKED = new Set(['null', 'anonymous', 'invalid', 'undefined']);

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

/** Decides about one message. Cost: JSON.parse plus about 0.5 µs. @throws never */
export function decodeEvent(
  message: LogMessage,
  logMs: EpochMs,
  admission: Admission | null,
  settings: FoldSettings,
  context: DecodeContext,
): EventMessage | Refusal {
  const parts = splitSubject(message.subject, context.prefixLength);
  if (parts === undefined) return refusal('bad_subject', '/subject', 'the subject must be <dataset>.<namespace>.<encoded id>');
  if (admission === null)
    return refusal('no_definitions', '/subject', 'no definitions were live when this message arrived; replay it after setup');
  const dataset = admission.datasets.get(parts.dataset);
  if (dataset === undefined)
    return refusal(
      DATASET_NAME.test(parts.dataset) ? 'unknown_dataset' : 'bad_subject',
      '/subject/dataset',
      'no such dataset is defined',
    );
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
  if (id.trim() === '' || BLOCKED.has(id))
    return refusal('blocked_id', '/subject/id', 'this id is blocked: blank, null, anonymous, invalid, undefined');
  if (fnv1a32(parts.token, fnv1a32(parts.namespace)) % context.partitions !== context.shard)
    return refusal('wrong_partition', '/subject', `the identity does not hash to shard ${context.shard}`);
  if (message.body.length > settings.eventBytes)
    return refusal('too_large', '', `the body has ${message.body.length} bytes; the limit is ${settings.eventBytes}`);
  return decodeBody(message, logMs, dataset, parts.key, settings);
}

function decodeBody(
  message: LogMessage,
  logMs: EpochMs,
  dataset: DatasetRule,
  key: IdentityKey,
  settings: FoldSettings,
): EventMessage | Refusal {
  let text: string;
  try {
    text = message.text?.() ?? utf8.decode(message.body);
  } catch {
    return refusal('malformed', '', 'the body is not valid UTF-8');
  }
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    return refusal('malformed', '', `the body is not JSON${positionOf(error)}`);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return refusal('malformed', '', 'the body must be a JSON object');
  const event = body as EventBody;
  const violations: Violation[] = [];
  const bad = (reason: RefusalReason, pointer: string, text_: string): void =>
    void violations.push({ pointer, keyword: reason, message: text_ });
  if (!isClean(body, settings.depth)) findUnclean(body, '', settings.depth, bad);
  const id = event['_id'];
  if (id === undefined || id === null || id === '') bad('missing_id', '/_id', 'an event needs an _id: a non-empty string');
  else if (typeof id !== 'string') bad('schema', '/_id', '_id must be a string');
  else if (id.length > EVENT_ID_MAX) bad('too_large', '/_id', `_id has more than ${EVENT_ID_MAX} characters`);
  const timestamp = event['timestamp'];
  let timestampMs = NaN;
  if (timestamp === undefined || timestamp === null || timestamp === '')
    bad('missing_timestamp', '/timestamp', 'an event needs a timestamp');
  else {
    timestampMs = typeof timestamp === 'string' ? parseRfc3339(timestamp) : NaN;
    if (timestampMs !== timestampMs)
      bad('bad_timestamp', '/timestamp', 'the timestamp is not RFC 3339, e.g. 2026-03-10T09:00:00.000Z');
    else if (timestampMs > logMs + settings.maxFutureSkewMs)
      bad('future', '/timestamp', `the timestamp is more than ${settings.maxFutureSkewMs} ms later than the log's time`);
  }
  const eventType = event['eventType'];
  if (eventType !== undefined && typeof eventType !== 'string') bad('schema', '/eventType', 'eventType must be a string');
  if (event['identityMap'] !== undefined) checkIdentityMap(event['identityMap'], settings, bad);
  if (violations.length > 0) return { reason: violations[0]!.keyword as RefusalReason, errors: violations };
  return {
    dataset,
    key,
    id: id as string,
    timestampMs,
    atMs: timestampMs < logMs ? timestampMs : logMs,
    eventType: (eventType as string | undefined) ?? '',
    body: event,
  };
}

/** The quick look at every value of a body: nothing too deep, no `__proto__`, only finite numbers. No allocation. */
function isClean(value: unknown, depthLeft: number): boolean {
  if (typeof value === 'number') return value - value === 0;
  if (typeof value !== 'object' || value === null) return true;
  if (depthLeft === 0) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isClean(value[i], depthLeft - 1)) return false;
    return true;
  }
  for (const key in value) {
    if (key === '__proto__' || !isClean((value as EventBody)[key], depthLeft - 1)) return false;
  }
  return true;
}

function findUnclean(
  value: unknown,
  pointer: string,
  depthLeft: number,
  bad: (reason: RefusalReason, pointer: string, text: string) => void,
): void {
  if (typeof value === 'number' && !Number.isFinite(value))
    return bad('not_finite', pointer, 'the number is beyond what a double holds');
  if (typeof value !== 'object' || value === null) return;
  if (depthLeft === 0) return bad('too_large', pointer.slice(0, 200), 'the body is nested too deeply');
  for (const key of Object.keys(value)) {
    const at = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1').slice(0, 100)}`;
    if (key === '__proto__') bad('forbidden_key', at, '__proto__ is not allowed as a key');
    else findUnclean((value as EventBody)[key], at, depthLeft - 1, bad);
  }
}

function checkIdentityMap(
  map: unknown,
  settings: FoldSettings,
  bad: (reason: RefusalReason, pointer: string, text: string) => void,
): void {
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    return bad('schema', '/identityMap', 'identityMap must be an object of arrays');
  let identities = 0;
  for (const namespace of Object.keys(map)) {
    const list = (map as Record<string, unknown>)[namespace];
    if (!Array.isArray(list)) {
      bad('schema', `/identityMap/${namespace.slice(0, 100)}`, 'must be an array of { "id": string }');
      continue;
    }
    identities += list.length;
    list.forEach((item: unknown, i) => {
      const id: unknown = typeof item === 'object' && item !== null ? (item as EventBody)['id'] : undefined;
      if (typeof id !== 'string') bad('schema', `/identityMap/${namespace.slice(0, 100)}/${i}/id`, 'must be a string');
    });
  }
  if (identities > settings.identitiesPerMessage)
    bad('too_large', '/identityMap', `more than ${settings.identitiesPerMessage} identities in one message`);
}

/** JSON.parse quotes the input in its message; only the position may leave, never the data. */
function positionOf(error: unknown): string {
  const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
  return position === undefined ? '' : ` (at byte ${position})`;
}

export function isRefusal(decoded: EventMessage | Refusal): decoded is Refusal {
  return 'reason' in decoded;
}
