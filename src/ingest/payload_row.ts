// A line of NDJSON that is an event or a record already. PR1: it is sent byte for byte as it stands, an envelope around it taken off; only a
// missing `_id` is added, so that numbers keep their digits. Whether it is admitted is decided where all messages are: in the shard.
import { parseRfc3339 } from '../base/time.ts';
import { unwrap } from '../message/xdm_envelope.ts';
import { RowRefusal } from './evaluate.ts';
import type { FileRow } from './file_row.ts';
import { parseObject } from './map_row.ts';
import { ownerOf, type MapRow, type RowMessage, type RowRules } from './row_message.ts';

export function payloadMapper(rules: RowRules): MapRow {
  return (row, ownId) => payloadRow(row, ownId, rules);
}

function payloadRow(row: FileRow, ownId: string, rules: RowRules): RowMessage | RowRefusal {
  const object = parseObject(row.text);
  if (object instanceof RowRefusal) return object;
  const unwrapped = unwrap(row.text, object);
  if (unwrapped !== undefined && 'wrong' in unwrapped) return new RowRefusal(unwrapped.wrong);
  const { text, payload, operation } = unwrapped ?? { text: row.text, payload: object, operation: null };
  const isRecord = rules.behavior === 'record';
  if (!isRecord && operation !== null && operation !== 'create')
    return new RowRefusal(`header.operations.data is ${operation}, and events can only be created`);
  const { timestamp, _id } = payload;
  if (_id === null || _id === '') return new RowRefusal('_id is empty'); // no shard takes it: here it is counted with its line
  const identity = ownerOf(payload, rules);
  if (identity instanceof RowRefusal) return identity;
  return {
    identity,
    body: Object.hasOwn(payload, '_id') ? text : withId(text, ownId, payload),
    timestampMs: !isRecord && typeof timestamp === 'string' ? parseRfc3339(timestamp) : NaN,
    operation: isRecord ? (operation ?? rules.operation) : null,
    lastUpdated: null,
  };
}

function withId(text: string, id: string, object: Readonly<Record<string, unknown>>): string {
  const open = text.indexOf('{');
  const comma = Object.keys(object).length === 0 ? '' : ',';
  return `{"_id":${JSON.stringify(id)}${comma}${text.slice(open + 1)}`;
}
