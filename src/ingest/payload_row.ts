// A line of NDJSON that is an event already. PR1: it is sent byte for byte as it stands; only a missing `_id` is added, so that numbers keep
// their digits. Whether it is admitted is decided where all messages are: in the shard.
import { parseRfc3339 } from '../base/time.ts';
import { RowRefusal } from './evaluate.ts';
import type { FileRow } from './file_row.ts';
import { parseObject, type RowEvent } from './map_row.ts';

export function payloadRow(row: FileRow, ownId: string): RowEvent | RowRefusal {
  const object = parseObject(row.text);
  if (object instanceof RowRefusal) return object;
  const { timestamp, _id } = object;
  if (_id === null || _id === '') return new RowRefusal('_id is empty'); // no shard takes it: here it is counted with its line
  const timestampMs = typeof timestamp === 'string' ? parseRfc3339(timestamp) : NaN;
  return { identity: null, body: Object.hasOwn(object, '_id') ? row.text : withId(row.text, ownId, object), timestampMs };
}

function withId(text: string, id: string, object: Readonly<Record<string, unknown>>): string {
  const open = text.indexOf('{');
  const comma = Object.keys(object).length === 0 ? '' : ',';
  return `{"_id":${JSON.stringify(id)}${comma}${text.slice(open + 1)}`;
}
