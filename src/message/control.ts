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
  readonly eventBytes: number;
  readonly idBytes: number;
  readonly depth: number;
  readonly identitiesPerMessage: number;
};

export const DEFAULT_FOLD_SETTINGS: FoldSettings = {
  maxFutureSkewMs: 300_000,
  dedupeHorizonMs: 7 * 86_400_000,
  dedupeIds: 10_000,
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
  /** From this sequence on: these definitions (by content hash), this version of the fold, these settings. */
  | { readonly kind: 'definitions'; readonly hash: string; readonly foldVersion: number; readonly settings: FoldSettings }
  /** Marks a position for an export; the shard checkpoints exactly here. */
  | { readonly kind: 'cut'; readonly id: string };

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
      const settings = data['settings'] as FoldSettings;
      if (SETTING_NAMES.every((name) => Number.isSafeInteger(settings[name]))) {
        return { kind, hash: data['hash'], foldVersion: data['foldVersion'] as number, settings };
      }
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

export function encodeControl(message: ControlMessage): Uint8Array {
  return new TextEncoder().encode(message.kind === 'tick' && message.timeMs === undefined ? '' : JSON.stringify(message));
}

/** Same settings, whatever the order of their keys. */
export function sameSettings(a: FoldSettings, b: FoldSettings): boolean {
  return SETTING_NAMES.every((name) => a[name] === b[name]);
}
