// Every setting of this release: its key, its kind, its bounds and its default, in one table.
// K1: a setting exists exactly when it stands here; the file, the environment and overrides all go by this table.
import { parseBytes } from '../base/bytes.ts';
import { errorText } from '../base/errors.ts';
import { parseDuration } from '../base/time.ts';

export type Kind =
  | { readonly kind: 'duration'; readonly min: string; readonly max: string; readonly zero?: true }
  | { readonly kind: 'size'; readonly min: string; readonly max: string }
  | { readonly kind: 'whole'; readonly min: number; readonly max: number }
  | { readonly kind: 'text'; readonly pattern?: RegExp }
  | { readonly kind: 'list'; readonly pattern?: RegExp }
  | { readonly kind: 'choice'; readonly values: readonly string[] };

/** `text`: for editors (config/schemas/settings.schema.json). `standard` is the default, written as in the file; undefined means that it resolves to null. */
export type SettingKey = { readonly key: string; readonly text: string; readonly type: Kind; readonly standard: unknown };

export type SettingValue = number | string | readonly string[] | null;

/** Longer timers fire at once (Node holds them in 31 bits), hence the bounds of intervals. */
const interval = (standard: string): Pick<SettingKey, 'type' | 'standard'> => ({
  type: { kind: 'duration', min: '1ms', max: '1h' },
  standard,
});
const age = (standard: string, zero?: true): Pick<SettingKey, 'type' | 'standard'> => ({
  type: { kind: 'duration', min: '1s', max: '36500d', ...(zero ? { zero } : {}) },
  standard,
});
/** 0 takes any free port. */
const port: Pick<SettingKey, 'type'> = { type: { kind: 'whole', min: 0, max: 65_535 } };
const path: Pick<SettingKey, 'type' | 'standard'> = { type: { kind: 'text' }, standard: undefined };

export const SETTING_KEYS: readonly SettingKey[] = [
  { key: 'nats.servers', text: 'addresses of the NATS servers', type: { kind: 'list' }, standard: ['nats://127.0.0.1:4222'] },
  { key: 'nats.credentials', text: 'path of a credentials file', ...path },
  { key: 'nats.tokenFile', text: 'path of a file that holds the token; instead of credentials', ...path },
  { key: 'nats.user', text: 'name of a user; goes with passwordFile, instead of credentials', ...path },
  { key: 'nats.passwordFile', text: "path of a file that holds the user's password", ...path },
  {
    key: 'nats.inboxPrefix',
    text: "answers come to subjects below it: where the server's permissions let this user hear them",
    type: { kind: 'text', pattern: /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/ },
    standard: '_INBOX',
  },
  { key: 'nats.tls.ca', text: 'path of a PEM file; TLS is on when any of the three is given', ...path },
  { key: 'nats.tls.cert', text: 'path of a PEM file; goes with key', ...path },
  { key: 'nats.tls.key', text: 'path of a PEM file; goes with cert', ...path },
  {
    key: 'root',
    text: 'prefix of every subject, stream and bucket; two roots share an account without touching each other',
    type: { kind: 'text', pattern: /^[a-z][a-z0-9_-]{0,31}$/ },
    standard: 'visage',
  },
  {
    key: 'instance',
    text: "the worker's name; default: host and process id",
    type: { kind: 'text', pattern: /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/ },
    standard: undefined,
  },
  { key: 'partitions', text: 'number of shards, for life', type: { kind: 'whole', min: 1, max: 1024 }, standard: 16 },
  { key: 'replicas', text: 'of every stream and bucket', type: { kind: 'whole', min: 1, max: 5 }, standard: 1 },
  {
    key: 'clock',
    text: "for life: the time that windows go by, the log's or the events' own",
    type: { kind: 'choice', values: ['log', 'event'] },
    standard: 'log',
  },
  { key: 'dataDirectory', text: 'LMDB, one folder per shard', type: { kind: 'text' }, standard: './visage-data' },
  { key: 'log.maxAge', text: 'how far back the log goes; 0 keeps it for ever', ...age('0', true) },
  {
    key: 'log.maxBytes',
    text: 'the disk that the log may take; setup needs it',
    type: { kind: 'size', min: '1MB', max: '1000TB' },
    standard: undefined,
  },
  { key: 'changes.maxAge', text: 'how long change events can be read', ...age('7d') },
  { key: 'dead.maxAge', text: 'how long refused messages are kept', ...age('30d') },
  { key: 'tick', text: 'how late a value may leave its window', ...interval('100ms') },
  {
    key: 'maxFutureSkew',
    text: 'what is dated later than this after the log is refused',
    type: { kind: 'duration', min: '1ms', max: '365d', zero: true },
    standard: '5m',
  },
  {
    key: 'maxClockJump',
    text: "the server's clock may not jump further ahead than this between two messages",
    type: { kind: 'duration', min: '1s', max: '365d' },
    standard: '10m',
  },
  { key: 'commit.interval', text: 'how long changes are gathered before they are published and committed', ...interval('10ms') },
  { key: 'checkpoint.interval', text: 'how often the state goes to disk', ...interval('2s') },
  {
    key: 'checkpoint.maxDirtyProfiles',
    text: 'or earlier, when so many profiles changed',
    type: { kind: 'whole', min: 1, max: 100_000_000 },
    standard: 20_000,
  },
  {
    key: 'snapshot.interval',
    text: "how often a copy of each shard's state goes to the object store",
    type: { kind: 'duration', min: '1s', max: '20d' },
    standard: '10m',
  },
  {
    key: 'lease.ttl',
    text: 'how long a worker that says nothing is still taken for alive; chosen at setup',
    type: { kind: 'duration', min: '1s', max: '1h' },
    standard: '10s',
  },
  {
    key: 'cache.maxBytes',
    text: 'memory for profiles, of the whole worker',
    type: { kind: 'size', min: '1MB', max: '1TB' },
    standard: '512MB',
  },
  { key: 'http.host', text: 'where profiles are served, and messages taken', type: { kind: 'text' }, standard: '127.0.0.1' },
  { key: 'http.port', text: '0 takes any free one', ...port, standard: 8080 },
  {
    key: 'http.tokensFile',
    text: 'path of a file that says who may use it; needed where http.host is not this machine',
    ...path,
  },
  {
    key: 'http.hosts',
    text: "without tokens: names by which it may be asked for, beside this machine's own and addresses; not of anybody else's domain",
    type: { kind: 'list', pattern: /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/ },
    standard: undefined,
  },
  { key: 'admin.host', text: 'health and metrics only', type: { kind: 'text' }, standard: '0.0.0.0' },
  { key: 'admin.port', text: '0 takes any free one', ...port, standard: 9090 },
  {
    key: 'logGap',
    text: 'what to do when messages are missing in the log',
    type: { kind: 'choice', values: ['halt', 'continue'] },
    standard: 'halt',
  },
  {
    key: 'dedupeHorizon',
    text: "how long an event's _id is remembered",
    type: { kind: 'duration', min: '1s', max: '3650d' },
    standard: '7d',
  },
  {
    key: 'exactEvents',
    text: 'values of a measure and profile kept one by one; past it the oldest are folded',
    type: { kind: 'whole', min: 16, max: 10_000_000 },
    standard: 5_000,
  },
  {
    key: 'limits.eventBytes',
    text: 'a larger event is refused',
    type: { kind: 'size', min: '64B', max: '1MB' },
    standard: '10KB',
  },
  {
    key: 'limits.recordBytes',
    text: 'a larger record is refused',
    type: { kind: 'size', min: '64B', max: '10MB' },
    standard: '100KB',
  },
  // An id may triple when percent-encoded and must still fit a key of LMDB (1,978 bytes).
  {
    key: 'limits.idBytes',
    text: 'an identity with a longer id is refused',
    type: { kind: 'size', min: '16B', max: '512B' },
    standard: '512B',
  },
  { key: 'limits.depth', text: 'how deeply a body may be nested', type: { kind: 'whole', min: 1, max: 100 }, standard: 16 },
  {
    key: 'limits.identitiesPerMessage',
    text: 'a message that names more is refused',
    type: { kind: 'whole', min: 1, max: 1000 },
    standard: 20,
  },
  {
    key: 'limits.dedupeIds',
    text: 'ids remembered per identity, oldest out first',
    type: { kind: 'whole', min: 1, max: 1_000_000 },
    standard: 10_000,
  },
];

const UNIT_SUFFIX: Readonly<Partial<Record<Kind['kind'], string>>> = { duration: 'Ms' };

/** Where the value stands in `Settings`: as the key, durations with their unit: `commit.interval` → `commit.intervalMs`. */
export function settingPath(setting: SettingKey): readonly string[] {
  return (setting.key + (UNIT_SUFFIX[setting.type.kind] ?? '')).split('.');
}

/** `checkpoint.maxDirtyProfiles` → `VISAGE_CHECKPOINT_MAX_DIRTY_PROFILES`. */
export function environmentName(key: string): string {
  return `VISAGE_${key
    .replaceAll('.', '_')
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase()}`;
}

/** The value in its unit, or what is wrong with it.
 *  @param text true for environment variables, where numbers arrive as text and lists with commas */
export function settingValue(
  type: Kind,
  raw: unknown,
  text: boolean,
): { readonly value: SettingValue } | { readonly wrong: string } {
  switch (type.kind) {
    case 'duration': {
      if (type.zero && (raw === 0 || raw === '0')) return { value: 0 };
      if (typeof raw !== 'string') return { wrong: `must be a duration with a unit such as ${type.min}` };
      return bounded(raw, parseDuration, type.min, type.max);
    }
    case 'size':
      if (typeof raw !== 'string') return { wrong: `must be a size with a unit such as ${type.min}` };
      return bounded(raw, parseBytes, type.min, type.max);
    case 'whole': {
      const number = text && typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
      if (!Number.isSafeInteger(number)) return { wrong: 'must be a whole number' };
      const { min, max } = type;
      return (number as number) >= min && (number as number) <= max
        ? { value: number as number }
        : { wrong: `must be between ${min} and ${max}` };
    }
    case 'text':
      if (typeof raw !== 'string' || raw === '') return { wrong: 'must be a text that is not empty' };
      return type.pattern === undefined || type.pattern.test(raw)
        ? { value: raw }
        : { wrong: `must match ${type.pattern.source}` };
    case 'list': {
      const items: unknown = typeof raw === 'string' ? raw.split(',').map((item) => item.trim()) : raw;
      const good = Array.isArray(items) && items.length > 0 && items.every((item) => typeof item === 'string' && item !== '');
      if (!good) return { wrong: `must be a list of texts, or one text${text ? ' with commas' : ''}` };
      const { pattern } = type;
      return pattern === undefined || (items as string[]).every((item) => pattern.test(item))
        ? { value: items as string[] }
        : { wrong: `must each match ${pattern.source}` };
    }
    case 'choice':
      return type.values.includes(raw as string)
        ? { value: raw as string }
        : { wrong: `must be one of: ${type.values.join(', ')}` };
  }
}

function bounded(
  raw: string,
  parse: (text: string) => number,
  min: string,
  max: string,
): { readonly value: number } | { readonly wrong: string } {
  try {
    const value = parse(raw);
    return value >= parse(min) && value <= parse(max) ? { value } : { wrong: `must be between ${min} and ${max}` };
  } catch (error) {
    return { wrong: errorText(error) };
  }
}
