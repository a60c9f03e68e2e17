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
  | GenerationMessage;

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
const SETTING_NAMES = Object.keys(DEFAULT_FOLD_SETTINGS) as readonly (keyof FoldSettings)[];

/** @throws VisageError `unknown_control` (stop_shard): a message of a later release must not be skipped silently */
export function parseControl(kind: string, body: Uint8Array): ControlMessage {
  if (kind === 'tick' && body.length === 0) return { kind };
  try {
    const data = JSON.parse(text.decode(body)) as Record<string, unknown>;
    if (kind === 'tick' && Number.isSafeInteger(data['timeMs'])) return { kind, timeMs: data['timeMs'] as number };
    if (kind === 'cut' && typeof data['id'] === 'string') return { kind, id: data['id'] };
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

function settingsOf(given: unknown): FoldSettings | undefined {
  const named = given as Partial<FoldSettings>;
  const settings = { ...named, exactEvents: named.exactEvents ?? Infinity };
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
