// The worker's settings, resolved: every one present, units in the names. Types only.
import type { ClockMode, FoldSettings } from '../message/control.ts';

/** `null` stands for "not given" where there is no default. */
export type Settings = {
  readonly nats: {
    readonly servers: readonly string[];
    /** Path of a credentials file. */
    readonly credentials: string | null;
    /** Path of a file that holds a token. */
    readonly tokenFile: string | null;
    readonly user: string | null;
    /** Path of a file that holds the user's password. */
    readonly passwordFile: string | null;
    /** Answers come to subjects below it. */
    readonly inboxPrefix: string;
    /** Paths of PEM files; TLS is on when any of them is given. */
    readonly tls: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null };
  };
  readonly root: string;
  readonly instance: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly clock: ClockMode;
  readonly dataDirectory: string;
  /** `maxAgeMs` 0 keeps for ever; `maxBytes` null means that `setup` must be told. */
  readonly log: { readonly maxAgeMs: number; readonly maxBytes: number | null };
  readonly changes: { readonly maxAgeMs: number };
  readonly dead: { readonly maxAgeMs: number };
  readonly tickMs: number;
  readonly maxFutureSkewMs: number;
  readonly maxClockJumpMs: number;
  readonly commit: { readonly intervalMs: number };
  readonly checkpoint: { readonly intervalMs: number; readonly maxDirtyProfiles: number };
  readonly snapshot: { readonly intervalMs: number };
  readonly lease: { readonly ttlMs: number };
  readonly cache: { readonly maxBytes: number };
  /** Port 0: any free one. */
  readonly http: {
    readonly host: string;
    readonly port: number;
    /** Path of a file that says who may use it. */
    readonly tokensFile: string | null;
    /** Names by which it may be asked for where there are no tokens, beside this machine's own. */
    readonly hosts: readonly string[] | null;
  };
  readonly admin: { readonly host: string; readonly port: number };
  readonly logGap: 'halt' | 'continue';
  readonly exactEvents: number;
  readonly dedupeHorizonMs: number;
  readonly limits: {
    readonly eventBytes: number;
    readonly recordBytes: number;
    readonly idBytes: number;
    readonly depth: number;
    readonly identitiesPerMessage: number;
    readonly dedupeIds: number;
  };
};

/** The settings that the fold's result depends on; they travel in the log. */
export function foldSettingsOf(settings: Settings): FoldSettings {
  return {
    maxFutureSkewMs: settings.maxFutureSkewMs,
    dedupeHorizonMs: settings.dedupeHorizonMs,
    dedupeIds: settings.limits.dedupeIds,
    exactEvents: settings.exactEvents,
    eventBytes: settings.limits.eventBytes,
    recordBytes: settings.limits.recordBytes,
    idBytes: settings.limits.idBytes,
    depth: settings.limits.depth,
    identitiesPerMessage: settings.limits.identitiesPerMessage,
  };
}
