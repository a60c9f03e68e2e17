// Chromium for tests of the page: from CHROMIUM_PATH, PATH or where systems put it; `installChromium` gets Debian's.
// CH1: a test never installs anything: test/install_chromium.ts does, before the e2e stage and with a budget of its own.
import { errorText } from '../../src/base/errors.ts';
import { findOnPath, isExecutable, runCommand } from '../../src/server/run_command.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const PLACES = [
  '/usr/bin/chromium',
  '/usr/lib/chromium/chromium',
  '/opt/google/chrome/chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
const APT_MS = 270_000;
const SUDO_MS = 5_000;

/** Undefined: there is none. @throws Error when CHROMIUM_PATH names what cannot be run */
export async function findChromium(): Promise<string | undefined> {
  const { CHROMIUM_PATH: named } = process.env;
  if (named !== undefined && named !== '') {
    if (await isExecutable(named)) return named;
    throw new Error('CHROMIUM_PATH names no program');
  }
  for (const name of NAMES) {
    const [found] = await findOnPath(name, process.env);
    if (found !== undefined) return found;
  }
  for (const place of PLACES) if (await isExecutable(place)) return place;
  return undefined;
}

/** By apt-get, where this user may. Cost: a minute or two. @throws Error one line that says why not */
export async function installChromium(): Promise<void> {
  const apt = await aptGet();
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const [program, ...before] = apt;
  const run = (args: readonly string[]): Promise<string> =>
    runCommand(program!, [...before, '-o', 'DPkg::Lock::Timeout=120', ...args], { env, timeoutMs: APT_MS });
  // lists that are there may do, and may be all there is
  const listed = await run(['update']).catch(errorText);
  await run(['install', '-y', '--no-install-recommends', 'chromium']).catch((error: unknown) => {
    throw new Error(`${errorText(error)} (apt-get update: ${listed.trim().split('\n').at(-1)})`, { cause: error });
  });
}

/** The command, with sudo where that asks for no password. @throws Error */
async function aptGet(): Promise<readonly string[]> {
  const [apt] = await findOnPath('apt-get', process.env);
  if (apt === undefined) throw new Error('there is no apt-get here');
  if (process.getuid?.() === 0) return [apt];
  const [sudo] = await findOnPath('sudo', process.env);
  if (sudo === undefined) throw new Error('apt-get needs root, and there is no sudo');
  await runCommand(sudo, ['-n', 'true'], { env: process.env, timeoutMs: SUDO_MS });
  return [sudo, '-n', apt];
}
