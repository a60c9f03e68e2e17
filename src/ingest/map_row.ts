// From a row of a file to an event or a record. MR1: the same row gives the same message, so that a second run sends the same.
// MR2: a row that cannot be mapped is a value that names the column, never what is in it: that may be personal data.
import { formatTime, type EpochMs } from '../base/time.ts';
import type { RecordOperation } from '../message/decode.ts';
import { columnNumber, evaluate, RowRefusal, type GetColumn } from './evaluate.ts';
import type { IngestMap, TimeColumn } from './ingest_map.ts';
import { wholeText } from './decimal.ts';
import type { MapRow, RowMessage, RowRules } from './row_message.ts';

type Node = Record<string, unknown>;

/** @param header the columns of a CSV file; null for NDJSON, whose columns are the keys of each line */
export function rowMapper(map: IngestMap, header: readonly string[] | null, rules: RowRules): MapRow {
  const places = new Map(header?.map((column, at) => [column, at]));
  return (row, ownId) => {
    let get: GetColumn;
    if (header !== null) get = (column) => row.fields[places.get(column)!] ?? '';
    else {
      const object = parseObject(row.text);
      if (object instanceof RowRefusal) return object;
      get = (column) => (Object.hasOwn(object, column) ? textOf(object[column]) : '');
    }
    return mapRow(map, get, ownId, rules);
  };
}

function mapRow(map: IngestMap, column: GetColumn, ownId: string, rules: RowRules): RowMessage | RowRefusal {
  let broken: string | undefined;
  const get: GetColumn = (name) => {
    const text = column(name);
    if (text.includes('\ufffd')) broken ??= name; // what a decoder makes of bytes that are no UTF-8
    return text;
  };
  const id = identityOf(map, get);
  if (id instanceof RowRefusal) return id;
  const _id = map.id === null ? ownId : idOf(map.id, get);
  if (_id instanceof RowRefusal) return _id;
  const operation = rules.behavior === 'event' ? null : operationOf(map, get, rules.operation);
  if (operation instanceof RowRefusal) return operation;
  const updatedMs = operation === null || map.lastUpdated === null ? NaN : timeOf(map.lastUpdated, get);
  if (updatedMs instanceof RowRefusal) return updatedMs;
  const message: Node = { _id };
  // a delete takes a record away whole: what its row says beside that may be empty
  const timestampMs = operation === 'delete' ? NaN : addContent(message, map, get);
  if (timestampMs instanceof RowRefusal) return timestampMs;
  if (broken !== undefined) return new RowRefusal(`column ${broken} is not valid UTF-8`);
  return {
    identity: { namespace: map.identity.namespace, id },
    body: JSON.stringify(message),
    timestampMs: operation === null ? timestampMs : NaN,
    operation,
    lastUpdated: Number.isNaN(updatedMs) ? null : formatTime(updatedMs),
  };
}

/** @returns the timestamp, NaN when the map names none */
function addContent(message: Node, map: IngestMap, get: GetColumn): EpochMs | RowRefusal {
  const timestampMs = map.timestamp === null ? NaN : timeOf(map.timestamp, get);
  if (timestampMs instanceof RowRefusal) return timestampMs;
  if (map.timestamp !== null) message['timestamp'] = formatTime(timestampMs);
  if (map.eventType !== null) {
    const eventType = 'text' in map.eventType ? map.eventType.text : get(map.eventType.column);
    if (eventType !== '') message['eventType'] = eventType;
  }
  for (const { path, expression } of map.fields) {
    const value = evaluate(expression, get);
    if (value instanceof RowRefusal) return value;
    if (value !== '') put(message, path, value);
  }
  return timestampMs;
}

function timeOf({ column, parse }: TimeColumn, get: GetColumn): EpochMs | RowRefusal {
  const text = get(column);
  const timeMs = parse(text);
  if (!Number.isNaN(timeMs)) return timeMs;
  return new RowRefusal(`column ${column} ${text.trim() === '' ? 'is empty' : 'is not a time'}`);
}

function operationOf({ operation }: IngestMap, get: GetColumn, otherwise: RecordOperation): RecordOperation | RowRefusal {
  if (operation === null) return otherwise;
  if ('always' in operation) return operation.always;
  const text = get(operation.column).trim();
  if (text === '') return otherwise;
  if (text === 'create' || text === 'merge' || text === 'delete') return text;
  return new RowRefusal(`column ${operation.column} is not create, merge or delete`);
}

function identityOf({ identity }: IngestMap, get: GetColumn): string | RowRefusal {
  const text = get(identity.column);
  if (text.trim() === '') return new RowRefusal(`column ${identity.column} is empty`);
  if (!identity.integer) return text;
  const number = columnNumber(identity.column, text);
  if (number instanceof RowRefusal) return number;
  return wholeText(number) ?? new RowRefusal(`column ${identity.column} is not a whole number`);
}

/** The parts joined by `-`. A `-` of their own is encoded where there are several: `a-b`,`c` and `a`,`b-c` are two ids. */
function idOf(columns: readonly string[], get: GetColumn): string | RowRefusal {
  const parts: string[] = [];
  for (const column of columns) {
    const text = get(column);
    if (text.trim() === '') return new RowRefusal(`column ${column} is empty`);
    parts.push(columns.length === 1 ? text : text.replaceAll(/[%-]/g, (c) => (c === '%' ? '%25' : '%2D')));
  }
  return parts.join('-');
}

/** Without prototypes: `constructor` is a name like any other. */
function put(message: Node, path: readonly string[], value: string | number): void {
  let at = message;
  for (let i = 0; i < path.length - 1; i++) {
    const step = path[i]!;
    if (!Object.hasOwn(at, step)) at[step] = Object.create(null) as Node;
    at = at[step] as Node;
  }
  at[path.at(-1)!] = value;
}

export function parseObject(text: string): Readonly<Record<string, unknown>> | RowRefusal {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return new RowRefusal('not JSON'); // JSON.parse quotes the data in its message
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return new RowRefusal('not a JSON object');
  return value as Readonly<Record<string, unknown>>;
}

/** The columns of an NDJSON line are its values that have a text; a map or a list has none. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
