// What a message does: an event, a write to a record, or a delete. It is said in headers, and checked here before anything is sent.
// MK1: a wrong operation is refused while the caller is there to hear it: the shard would read an event where a merge was meant.
import { VisageError } from '../base/errors.ts';
import { formatTime, parseRfc3339 } from '../base/time.ts';
import { LAST_UPDATED_HEADER, OPERATION_HEADER } from '../message/decode.ts';
import { PROFILE_TOKEN } from '../message/subject.ts';
import type { Naming } from './choose_identity.ts';

/** Of records: `create` replaces, `merge` patches, `delete` removes. Of a whole profile (dataset `_profile`): `delete`, `erase`. */
export type Operation = 'create' | 'merge' | 'delete' | 'erase';

export type MessageKind = {
  /** Default: `create`, which is what an event is. */
  readonly operation?: Operation;
  /** When the record was last updated where it comes from: RFC 3339 or a Date. Default: the body's
   *  `extSourceSystemAudit.lastUpdatedDate`, else when the log stored the message. */
  readonly lastUpdated?: string | Date;
};

/** The headers that say it. @throws VisageError (usage) `bad_operation`, `bad_header` */
export function kindHeaders(dataset: string, kind: MessageKind, naming: Naming | null): Readonly<Record<string, string>> {
  const { operation, lastUpdated } = kind;
  checkOperation(dataset, kind, naming);
  return {
    ...(operation === undefined ? {} : { [OPERATION_HEADER]: operation }),
    ...(lastUpdated === undefined ? {} : { [LAST_UPDATED_HEADER]: timeText(lastUpdated) }),
  };
}

/** Is it a delete, which needs no body? */
export function needsNoBody({ operation }: MessageKind): boolean {
  return operation === 'delete' || operation === 'erase';
}

/** @param naming what is known of the dataset; null: nothing   @throws VisageError (usage) `bad_operation` */
export function checkOperation(dataset: string, { operation, lastUpdated }: MessageKind, naming: Naming | null): void {
  if (dataset === PROFILE_TOKEN) {
    if (operation !== 'delete' && operation !== 'erase')
      throw wrong(`a message about a whole profile (${PROFILE_TOKEN}) has the operation delete or erase`);
    if (lastUpdated !== undefined)
      throw wrong('a message about a whole profile has no lastUpdated: it counts as of when it is stored');
    return;
  }
  if (operation !== undefined && operation !== 'create' && operation !== 'merge' && operation !== 'delete')
    throw wrong('the operation of a record is create, merge or delete');
  if (naming?.datasets.get(dataset)?.behavior !== 'event') return;
  if (operation !== undefined && operation !== 'create')
    throw wrong(`the dataset '${dataset}' has events, which can only be created; ${operation} is for datasets of records`);
  if (lastUpdated !== undefined)
    throw wrong(`the dataset '${dataset}' has events: their time is their timestamp; lastUpdated is for datasets of records`);
}

function timeText(time: string | Date): string {
  const timeMs = typeof time === 'string' ? parseRfc3339(time) : time.getTime();
  if (Number.isNaN(timeMs))
    throw new VisageError('bad_header', 'lastUpdated is not RFC 3339, e.g. 2026-03-10T09:00:00.000Z', { kind: 'usage' });
  return typeof time === 'string' ? time : formatTime(timeMs);
}

function wrong(message: string): VisageError {
  return new VisageError('bad_operation', message, { kind: 'usage' });
}
