// Settings from defaults, a file, the environment and overrides; each later one wins.
// Boundary: reads one file; the environment comes in as an argument.
// S1: an unknown key or VISAGE_ variable is a mistake: a misspelt limit must not be silently absent. S2: every mistake at once.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { VisageError, errorText } from '../base/errors.ts';
import { atKey, atValue, readLocated, type LocatedFile } from './located_yaml.ts';
import { MistakesError, type Mistake } from './mistakes.ts';
import { didYouMean } from './near_miss.ts';
import { SETTING_KEYS, environmentName, settingPath, settingValue, type SettingKey, type SettingValue } from './setting_keys.ts';
import type { Settings } from './settings.ts';
import { show, typeText } from './shape_mistakes.ts';

/** Variables that are read elsewhere and are no settings. */
const OTHER_VARIABLES = ['VISAGE_CACHE', 'VISAGE_LOG_LEVEL'];

const TOGETHER = [
  ['nats.tls.cert', 'nats.tls.key'],
  ['nats.user', 'nats.passwordFile'],
] as const;

export type SettingsSources = {
  /** Path of worker.yaml; without it only defaults, environment and overrides count. */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By key, values as in the file: `{ partitions: 4, 'commit.interval': '5ms' }`. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Default of `instance`; without it the host's name and the process id. */
  readonly defaultInstance?: string;
};

type Values = Map<string, SettingValue>;

/** @throws MistakesError `bad_settings`: every mistake with its place   @throws VisageError `bad_settings` when the file cannot be read */
export function loadSettings(sources: SettingsSources): Settings {
  const values: Values = new Map();
  const mistakes: Mistake[] = [];
  for (const setting of SETTING_KEYS) values.set(setting.key, standardOf(setting));
  values.set('instance', sources.defaultInstance ?? `${hostname()}-${process.pid}`);
  if (sources.file !== undefined) fromFile(readSettingsFile(sources.file), values, mistakes);
  fromEnvironment(sources.env, values, mistakes);
  fromOverrides(sources.overrides ?? {}, values, mistakes);
  for (const [one, other] of TOGETHER) {
    if ((values.get(one) === null) === (values.get(other) === null)) continue;
    const message = `'${one}' and '${other}' go together; one of them is missing`;
    mistakes.push({ file: sources.file ?? 'settings', line: 0, column: 0, message });
  }
  if (mistakes.length > 0) throw new MistakesError('bad_settings', mistakes);
  return settingsOf(values);
}

function standardOf({ key, type, standard }: SettingKey): SettingValue {
  if (standard === undefined) return null;
  const resolved = settingValue(type, standard, false);
  if ('wrong' in resolved) throw new Error(`default of ${key} ${resolved.wrong}`);
  return resolved.value;
}

function readSettingsFile(file: string): LocatedFile {
  try {
    return readLocated(file, readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new VisageError('bad_settings', `${file}: cannot be read: ${errorText(cause)}`, { cause, kind: 'usage' });
  }
}

function fromFile(located: LocatedFile, values: Values, mistakes: Mistake[]): void {
  mistakes.push(...located.mistakes);
  // An empty file is a file that changes nothing.
  if (located.mistakes.length > 0 || located.value == null) return;
  takeLevel(located, [], located.value, values, mistakes);
}

function takeLevel(located: LocatedFile, path: readonly string[], level: unknown, values: Values, mistakes: Mistake[]): void {
  if (typeof level !== 'object' || level === null || Array.isArray(level)) {
    const what = path.length === 0 ? 'a settings file' : `'${path.join('.')}'`;
    mistakes.push(atValue(located, path, `${what} must be a map, not ${typeText(level)}`));
    return;
  }
  const prefix = path.length === 0 ? '' : `${path.join('.')}.`;
  const known = [
    ...new Set(
      SETTING_KEYS.filter(({ key }) => key.startsWith(prefix)).map(({ key }) => key.slice(prefix.length).split('.')[0]!),
    ),
  ];
  for (const [name, raw] of Object.entries(level as Record<string, unknown>)) {
    const key = prefix + name;
    const at = [...path, name];
    if (!known.includes(name)) {
      mistakes.push(atKey(located, at, `unknown setting '${key}'${didYouMean(name, known)}; known here: ${known.join(', ')}`));
      continue;
    }
    const setting = SETTING_KEYS.find((candidate) => candidate.key === key);
    if (setting === undefined) takeLevel(located, at, raw, values, mistakes);
    else
      take(setting, raw, false, values, (wrong) => mistakes.push(atValue(located, at, `'${key}' ${wrong}; it is ${show(raw)}`)));
  }
}

function fromEnvironment(env: SettingsSources['env'], values: Values, mistakes: Mistake[]): void {
  const settings = new Map(SETTING_KEYS.map((setting) => [environmentName(setting.key), setting]));
  for (const name of Object.keys(env)
    .filter((variable) => variable.startsWith('VISAGE_'))
    .sort()) {
    if (OTHER_VARIABLES.includes(name) || env[name] === undefined) continue;
    const setting = settings.get(name);
    const mistake = (message: string): void => void mistakes.push({ file: name, line: 0, column: 0, message });
    if (setting === undefined) mistake(`unknown environment variable${didYouMean(name, settings.keys())}`);
    // Not shown: a variable may hold a secret that was meant for another one.
    else take(setting, env[name], true, values, (wrong) => mistake(`'${setting.key}' ${wrong}`));
  }
}

function fromOverrides(overrides: Readonly<Record<string, unknown>>, values: Values, mistakes: Mistake[]): void {
  for (const [key, raw] of Object.entries(overrides)) {
    if (raw === undefined) continue;
    const setting = SETTING_KEYS.find((candidate) => candidate.key === key);
    const mistake = (message: string): void => void mistakes.push({ file: 'override', line: 0, column: 0, message });
    if (setting === undefined)
      mistake(
        `unknown setting '${key}'${didYouMean(
          key,
          SETTING_KEYS.map((candidate) => candidate.key),
        )}`,
      );
    else take(setting, raw, true, values, (wrong) => mistake(`'${key}' ${wrong}; it is ${show(raw)}`));
  }
}

function take(setting: SettingKey, raw: unknown, text: boolean, values: Values, wrong: (what: string) => void): void {
  const resolved = settingValue(setting.type, raw, text);
  if ('wrong' in resolved) wrong(resolved.wrong);
  else values.set(setting.key, resolved.value);
}

/** The table's paths are those of `Settings`; test/unit/definitions/settings.test.ts holds the two to each other. */
function settingsOf(values: Values): Settings {
  const root: Record<string, unknown> = {};
  for (const setting of SETTING_KEYS) {
    const path = settingPath(setting);
    let at = root;
    for (const step of path.slice(0, -1)) at = (at[step] ??= {}) as Record<string, unknown>;
    at[path.at(-1)!] = values.get(setting.key);
  }
  return root as Settings;
}
