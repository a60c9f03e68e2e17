import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_FOLD_SETTINGS } from '../../../src/message/control.ts';
import { loadSettings } from '../../../src/definitions/load_settings.ts';
import { SETTING_KEYS, environmentName, settingPath } from '../../../src/definitions/setting_keys.ts';
import { foldSettingsOf, type Settings } from '../../../src/definitions/settings.ts';
import { mistakesOf, writeFiles } from './definitions_files.ts';

const example = join(import.meta.dirname, '../../../config/worker.example.yaml');
const file = (text: string): string => join(writeFiles({ 'worker.yaml': text }), 'worker.yaml');

const DEFAULTS: Settings = {
  nats: {
    servers: ['nats://127.0.0.1:4222'],
    credentials: null,
    tokenFile: null,
    user: null,
    passwordFile: null,
    inboxPrefix: '_INBOX',
    tls: { ca: null, cert: null, key: null },
  },
  root: 'visage',
  instance: 'host-1',
  partitions: 16,
  replicas: 1,
  clock: 'log',
  dataDirectory: './visage-data',
  log: { maxAgeMs: 0, maxBytes: null },
  changes: { maxAgeMs: 7 * 86_400_000 },
  dead: { maxAgeMs: 30 * 86_400_000 },
  tickMs: 100,
  maxFutureSkewMs: 300_000,
  maxClockJumpMs: 600_000,
  commit: { intervalMs: 10 },
  checkpoint: { intervalMs: 2000, maxDirtyProfiles: 20_000 },
  snapshot: { intervalMs: 600_000 },
  lease: { ttlMs: 10_000 },
  cache: { maxBytes: 512 * 1024 ** 2 },
  http: { host: '127.0.0.1', port: 8080, tokensFile: null, hosts: null },
  admin: { host: '0.0.0.0', port: 9090 },
  logGap: 'halt',
  exactEvents: 5_000,
  dedupeHorizonMs: 7 * 86_400_000,
  limits: {
    eventBytes: 10 * 1024,
    recordBytes: 100 * 1024,
    idBytes: 512,
    depth: 16,
    identitiesPerMessage: 20,
    dedupeIds: 10_000,
  },
};

describe('settings', () => {
  it('have these defaults, and the example states the same', () => {
    expect(loadSettings({ env: {}, defaultInstance: 'host-1' })).toEqual(DEFAULTS);
    expect(loadSettings({ file: example, env: {}, defaultInstance: 'host-1' })).toEqual(DEFAULTS);
    expect(loadSettings({ env: {} }).instance).toMatch(new RegExp(`-${process.pid}$`));
  });

  it('are all in the example, also those without a default', () => {
    const text = readFileSync(example, 'utf8');
    for (const { key } of SETTING_KEYS) expect(text, key).toMatch(new RegExp(`\\b${key.split('.').at(-1)!}:`));
    const uncommented = file(
      text
        .replaceAll(/^(\s*)# ((?:credentials|tokenFile|user|passwordFile|tls|instance|maxBytes|ca|cert|key):.*)$/gm, '$1$2')
        .replaceAll(/^(\s*)#   ((?:ca|cert|key):.*)$/gm, '$1  $2'),
    );
    const settings = loadSettings({ file: uncommented, env: {} });
    expect(settings.log.maxBytes).toBe(10 * 1024 ** 3);
    expect(settings.nats.tls.key).toBe('/etc/visage/worker.key');
    expect(settings.nats.passwordFile).toBe('/etc/visage/worker.password');
    expect(settings.instance).toBe('worker-1');
  });

  it('fill the type: every leaf of Settings has its key in the table', () => {
    const leaves = (value: unknown, path: string): string[] =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === '' ? key : `${path}.${key}`))
        : [path];
    expect(leaves(DEFAULTS, '').sort()).toEqual(SETTING_KEYS.map((setting) => settingPath(setting).join('.')).sort());
  });

  it('environment wins over file, overrides over both', () => {
    const sources = {
      file: file('partitions: 4\ncommit: { interval: 20ms }\nnats: { servers: nats://a:1 }\n'),
      env: {
        VISAGE_PARTITIONS: '8',
        VISAGE_NATS_SERVERS: 'nats://b:1, nats://c:1',
        VISAGE_CACHE_MAX_BYTES: '1GB',
        VISAGE_CACHE: '/x',
        VISAGE_LOG_LEVEL: 'debug',
        PATH: '/bin',
      },
      overrides: { partitions: 2, tick: '50ms', root: undefined },
    };
    expect(loadSettings(sources)).toMatchObject({
      partitions: 2,
      tickMs: 50,
      root: 'visage',
      commit: { intervalMs: 20 },
      nats: { servers: ['nats://b:1', 'nats://c:1'] },
      cache: { maxBytes: 1024 ** 3 },
    });
  });

  it('have the names of environment variables that one expects', () => {
    expect(['nats.servers', 'dataDirectory', 'commit.interval', 'checkpoint.maxDirtyProfiles'].map(environmentName)).toEqual([
      'VISAGE_NATS_SERVERS',
      'VISAGE_DATA_DIRECTORY',
      'VISAGE_COMMIT_INTERVAL',
      'VISAGE_CHECKPOINT_MAX_DIRTY_PROFILES',
    ]);
  });

  it('report every mistake at once, with its place', () => {
    const bad = file(
      'partitons: 4\ncommit: { intervl: 10ms, interval: 10 }\ntick: fast\nclock: wall\nlimits: 3\nreplicas: 9\ncheckpoint: { interval: 30d }\n',
    );
    const env = { VISAGE_PARTITION: '3', VISAGE_LIMITS_DEPTH: 'deep' };
    expect(mistakesOf(() => loadSettings({ file: bad, env, overrides: { rooot: 'x' } })).sort()).toEqual([
      `0:0 'limits.depth' must be a whole number`,
      `0:0 unknown environment variable (did you mean 'VISAGE_PARTITIONS'?)`,
      `0:0 unknown setting 'rooot' (did you mean 'root'?)`,
      expect.stringMatching(/^1:1 unknown setting 'partitons' \(did you mean 'partitions'\?\)/),
      `2:11 unknown setting 'commit.intervl' (did you mean 'interval'?); known here: interval`,
      `2:36 'commit.interval' must be a duration with a unit such as 1ms; it is 10`,
      expect.stringMatching(/^3:7 'tick' 'fast' is not a duration/),
      `4:8 'clock' must be one of: log, event; it is 'wall'`,
      `5:9 'limits' must be a map, not a number`,
      `6:11 'replicas' must be between 1 and 5; it is 9`,
      `7:25 'checkpoint.interval' must be between 1ms and 1h; it is '30d'`,
    ]);
  });

  it('report syntax, an unreadable file and half of a key pair', () => {
    expect(mistakesOf(() => loadSettings({ file: file('a: [\n'), env: {} }))[0]).toMatch(/not valid YAML/);
    expect(() => loadSettings({ file: '/nowhere.yaml', env: {} })).toThrow(
      expect.objectContaining({ code: 'bad_settings', kind: 'usage' }),
    );
    expect(mistakesOf(() => loadSettings({ env: { VISAGE_NATS_TLS_CERT: '/c.pem' } }))[0]).toMatch(/go together/);
    expect(mistakesOf(() => loadSettings({ env: { VISAGE_NATS_USER: 'worker' } }))[0]).toMatch(/passwordFile' go together/);
    const empty = file('');
    expect(loadSettings({ file: empty, env: {} }).partitions).toBe(16);
    writeFileSync(empty, '# nothing\n');
    expect(loadSettings({ file: empty, env: {} }).partitions).toBe(16);
  });

  it('hand the fold its part', () => {
    expect(foldSettingsOf(DEFAULTS)).toEqual(DEFAULT_FOLD_SETTINGS);
  });
});
