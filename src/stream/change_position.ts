// Where somebody is in the change stream, as a text that they may keep: `<stream>-<sequence>-<index>`.
// CP1: the text says which stream it is of: one that was made again under the same name has other events at the same sequences.
// CP2: it names what comes next, so that the end of one commit and the beginning of the one behind it are told apart.
import { fnv1a32 } from '../base/fnv1a.ts';
import { VisageError } from '../base/errors.ts';
import type { StreamState } from '../ports/log.ts';
import type { LostWhy } from '../ports/changes.ts';

/** The next change event: that of this index in the commit at this sequence of the stream, or the first one behind. */
export type ChangePlace = { readonly sequence: number; readonly index: number };

export type StreamPosition = { readonly stream: string; readonly place: ChangePlace };

const POSITION = /^([0-9a-f]{8})-(\d{1,15})-(\d{1,6})$/;

/** @param created when the stream was made, as its state says it */
export function positionText(created: string, { sequence, index }: ChangePlace): string {
  return `${streamName(created)}-${sequence}-${index}`;
}

/** @throws VisageError `bad_query` (usage) */
export function parsePosition(text: string): StreamPosition {
  const [, stream, sequence, index] = POSITION.exec(text) ?? [];
  if (stream === undefined || Number(sequence) === 0)
    throw new VisageError('bad_query', 'this is no position of change events', { kind: 'usage' });
  return { stream, place: { sequence: Number(sequence), index: Number(index) } };
}

/** Why nobody can go on from there; undefined: they can. */
export function whyLost({ stream, place }: StreamPosition, state: StreamState): LostWhy | undefined {
  if (stream !== streamName(state.created) || place.sequence > state.lastSequence + 1) return 'other_stream';
  return place.sequence < state.firstSequence ? 'aged_out' : undefined;
}

export function isBefore(a: ChangePlace, b: ChangePlace): boolean {
  return a.sequence < b.sequence || (a.sequence === b.sequence && a.index < b.index);
}

/** What comes next behind the event of this index, in a commit of so many. */
export function behind(sequence: number, index: number, events: number): ChangePlace {
  return index + 1 < events ? { sequence, index: index + 1 } : { sequence: sequence + 1, index: 0 };
}

function streamName(created: string): string {
  return fnv1a32(created).toString(16).padStart(8, '0');
}
