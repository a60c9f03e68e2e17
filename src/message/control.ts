// Control messages: what workers and administrators append to a shard's log, under `<root>.log.<p>.ctl.<kind>`.
// Everything that changes state is a message, so time (tick), definitions and the fold's own settings are messages too.
// C1: a producer cannot make one: its subjects are mapped under `.in.`.
import { VisageError } from '../base/errors.ts';

/** Settings that the fold's result depends on. They travel in the log, never in a worker's own configuration file alone:
 *  otherwise a restart with another value would replay to another state. */
export type FoldSettings = {
  readonly maxFutureSkewMs: number;
  readonly dedupeHorizonMs: number;
  /** At most this many event ids are remembered per identity; oldest out first. */
  readonly dedupeIds: number;
  /** At most this many values of a measure and identity are kept one by one; past it the oldest are folded together. A log of an
   *  earlier release does not name it, and has no bound: Infinity. */
  readonly exactEvents: number;
  readonly eventBytes: number;
  /** A log of an earlier release does not name it, and has no records: the default. */
  readonly recordBytes: number;
  readonly idBytes: number;
  readonly depth: number;
  readonly identitiesPerMessage: number;
};

export const DEFAULT_FOLD_SETTINGS: FoldSettings = {
  maxFutureSkewMs: 300_000,
  dedupeHorizonMs: 7 * 86_400_000,
  dedupeIds: 10_000,
  exactEvents: 5_000,
  eventBytes: 10 * 1024,
  recordBytes: 100 * 1024,
  idBytes: 512,
  depth: 16,
  identitiesPerMessage: 20,
};

/** Where a root's "now" comes from: the log's own stamps, or the events' timestamps (replaying history, tests). For life. */
export type ClockMode = 'log' | 'event';

export type ControlMessage =
  /** Moves time. `timeMs`: under the event clock, to this instant; under the log clock the message's stamp is all that counts. */
  | { readonly kind: 'tick'; readonly timeMs?: number }
  | DefinitionsMessage
  /** Marks a position for an export; the shard checkpoints exactly here. */
  | { readonly kind: 'cut'; readonly id: string }
  /** What the dataset has said up to here is deleted, of every profile. */
  | { readonly kind: 'deleteDataset'; readonly dataset: string }
  | EraseMessage
  | ErasedMessage
  /** Stands where a message was that an erasure has removed: time moves as it did. Never in the log; whoever reads it puts it in. */
  | { readonly kind: 'hole'; readonly timeMs?: number }
  | SkipMessage
  | GenerationMessage;

/** The message at `sequence` counts for nothing: an operator's way past one that stops the shard. Whoever reads the log looks for these
 *  first, and puts a hole in its place. */
export type SkipMessage = { readonly kind: 'skip'; readonly sequence: number };

/** Everything about one identity is deleted. `hash`: the identity's keyed hash, 64 hex digits; the identity itself is nowhere in it. */
export type EraseMessage = { readonly kind: 'erase'; readonly hash: string };

/** Appended before an erased identity's messages are removed from the log: where they were, so that a replay without them gives the same
 *  state. `erase`: the sequence of the erase message; `part` of `parts`, from 1. `holes`: sequence, stamp, and under the event clock the
 *  time that the message moved the shard to (else 0), three numbers each. `changeCount` and `changeDigest`: of the shard after the
 *  erasure, before anything else that the erase message lets happen. */
export type ErasedMessage = {
  readonly kind: 'erased';
  readonly erase: number;
  readonly part: number;
  readonly parts: number;
  readonly holes: readonly number[];
  readonly changeCount: number;
  readonly changeDigest: number;
  /** At which the identity's chain of change events ended; 0: it had none. */
  readonly version: number;
};

/** From this sequence on: these definitions (by content hash), this version of the fold, these settings. `generation`: of the state
 *  that they are for, the first when it is not named; a state of another generation passes them over. */
export type DefinitionsMessage = {
  readonly kind: 'definitions';
  readonly hash: string;
  readonly foldVersion: number;
  readonly settings: FoldSettings;
  readonly generation?: number;
};

/** Is the message for the state of this generation? */
export function isFor({ generation = 1 }: DefinitionsMessage, of: number): boolean {
  return generation === of;
}

/** From here on the state is another one: that of the whole log under these definitions and settings. `generation` counts from 1;
 *  `previous` is the sequence of the shard's generation message before; 0: there is none. `partialFrom`: the log had lost its beginning,
 *  and this was the first that it had, stored then. */
export type GenerationMessage = {
  readonly kind: 'generation';
  readonly generation: number;
  readonly previous: number;
  readonly hash: string;
  readonly foldVersion: number;
  readonly settings: FoldSettings;
  readonly partialFrom: { readonly sequence: number; readonly timeMs: number } | null;
};

const text = new TextDecoder('utf-8', { fatal: true });
const ERASED_HASH = /^[0-9a-f]{64}$/;
const SETTING_NAMES = Object.keys(DEFAULT_FOLD_SETTINGS) as readonly (keyof FoldSettings)[];

/** @throws VisageError `unknown_control` (stop_shard): a message of a later release must not be skipped silently */
export function parseControl(kind: string, body: Uint8Array): ControlMessage {
  if (kind === 'tick' && body.length === 0) return { kind };
  try {
    const data = JSON.parse(text.decode(body)) as Record<string, unknown>;
    if (kind === 'tick' && Number.isSafeInteger(data['timeMs'])) return { kind, timeMs: data['timeMs'] as number };
    if (kind === 'cut' && typeof data['id'] === 'string') return { kind, id: data['id'] };
    if (kind === 'deleteDataset' && typeof data['dataset'] === 'string') return { kind, dataset: data['dataset'] };
    if (kind === 'erase' && typeof data['hash'] === 'string' && ERASED_HASH.test(data['hash']))
      return { kind, hash: data['hash'] };
    if (kind === 'erased') {
      const erased = erasedOf(data);
      if (erased !== undefined) return erased;
    }
    if (kind === 'skip' && Number.isSafeInteger(data['sequence'])) return { kind, sequence: data['sequence'] as number };
    if (kind === 'hole') return Number.isSafeInteger(data['timeMs']) ? { kind, timeMs: data['timeMs'] as number } : { kind };
    if (kind === 'definitions' && typeof data['hash'] === 'string' && Number.isSafeInteger(data['foldVersion'])) {
      const settings = settingsOf(data['settings']);
      const generation = data['generation'] ?? 1;
      if (settings !== undefined && Number.isSafeInteger(generation)) {
        const named = { kind, hash: data['hash'], foldVersion: data['foldVersion'] as number, settings } as const;
        return generation === 1 ? named : { ...named, generation: generation as number };
      }
    }
    if (kind === 'generation') {
      const generation = generationOf(data);
      if (generation !== undefined) return generation;
    }
  } catch (cause) {
    throw new VisageError('unknown_control', `control message '${kind}' cannot be read`, { cause, kind: 'stop_shard' });
  }
  throw new VisageError(
    'unknown_control',
    `control message '${kind}' is unknown to this release; start a release that knows it`,
    { kind: 'stop_shard' },
  );
}

function erasedOf(data: Readonly<Record<string, unknown>>): ErasedMessage | undefined {
  const { erase, part, parts, holes, changeCount, changeDigest, version } = data;
  const numbers = [erase, part, parts, changeCount, changeDigest, version];
  if (!numbers.every(Number.isSafeInteger) || !Array.isArray(holes) || holes.length % 3 !== 0) return undefined;
  if (!holes.every(Number.isSafeInteger)) return undefined;
  return {
    kind: 'erased',
    erase: erase as number,
    part: part as number,
    parts: parts as number,
    holes: holes as number[],
    changeCount: changeCount as number,
    changeDigest: changeDigest as number,
    version: version as number,
  };
}

function generationOf(data: Readonly<Record<string, unknown>>): GenerationMessage | undefined {
  const { generation, previous, hash, foldVersion } = data;
  const partialFrom = data['partialFrom'] as GenerationMessage['partialFrom'];
  const settings = settingsOf(data['settings']);
  const isWhole = [generation, previous, foldVersion].every(Number.isSafeInteger);
  const isPartial = partialFrom !== null && [partialFrom?.sequence, partialFrom?.timeMs].every(Number.isSafeInteger);
  if (!isWhole || typeof hash !== 'string' || settings === undefined || (partialFrom !== null && !isPartial)) return undefined;
  return {
    kind: 'generation',
    generation: generation as number,
    previous: previous as number,
    hash,
    foldVersion: foldVersion as number,
    settings,
    partialFrom,
  };
}

/** What logs and states of earlier releases do not name is as it was then. */
export function asOfEarlier<T extends Partial<FoldSettings>>(named: T): T & Pick<FoldSettings, 'exactEvents' | 'recordBytes'> {
  return {
    ...named,
    exactEvents: named.exactEvents ?? Infinity,
    recordBytes: named.recordBytes ?? DEFAULT_FOLD_SETTINGS.recordBytes,
  };
}

function settingsOf(given: unknown): FoldSettings | undefined {
  const settings = asOfEarlier(given as Partial<FoldSettings>);
  const whole = SETTING_NAMES.every(
    (name) => Number.isSafeInteger(settings[name]) || (name === 'exactEvents' && settings[name] === Infinity),
  );
  return whole ? (settings as FoldSettings) : undefined;
}

export function encodeControl(message: ControlMessage): Uint8Array {
  return new TextEncoder().encode(message.kind === 'tick' && message.timeMs === undefined ? '' : JSON.stringify(message));
}

/** Same settings, whatever the order of their keys. */
export function sameSettings(a: FoldSettings, b: FoldSettings): boolean {
  return SETTING_NAMES.every((name) => a[name] === b[name]);
}
