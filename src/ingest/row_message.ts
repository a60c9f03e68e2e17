// What a row of a file becomes, and what the dataset that it goes into asks of it.
import { VisageError } from '../base/errors.ts';
import type { EpochMs } from '../base/time.ts';
import type { RecordOperation } from '../message/decode.ts';
import type { Identity } from '../message/identity.ts';
import { RowRefusal } from './evaluate.ts';
import type { FileRow } from './file_row.ts';

/** `timestampMs`: of an event; NaN when it has none that can be read, and for records. `operation`: of a record; null for events.
 *  `lastUpdated`: RFC 3339; null: the body says it, or nobody. */
export type RowMessage = {
  readonly identity: Identity;
  readonly body: string;
  readonly timestampMs: EpochMs;
  readonly operation: RecordOperation | null;
  readonly lastUpdated: string | null;
};

/** Of the dataset. `operation`: of records whose row does not say. */
export type RowRules = {
  readonly behavior: 'event' | 'record';
  readonly operation: RecordOperation;
  /** Who owns a payload. @throws VisageError (refuse) when nobody does, or two do */
  readonly identityOf: (payload: Readonly<Record<string, unknown>>) => Identity;
};

/** `ownId`: the `_id` of a row that has none of its own. */
export type MapRow = (row: FileRow, ownId: string) => RowMessage | RowRefusal;

/** @throws what is not about this row */
export function ownerOf(payload: Readonly<Record<string, unknown>>, { identityOf }: RowRules): Identity | RowRefusal {
  try {
    return identityOf(payload);
  } catch (error) {
    if (error instanceof VisageError && error.kind === 'refuse') return new RowRefusal(error.message);
    throw error;
  }
}
