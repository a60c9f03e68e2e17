// Gets the browser that the tests of the page need, where there is none yet; says in one line what it has.
// IC1: a machine that cannot have one is no failure here: the tests then skip and say so, and in CI that is one.
import { errorText } from '../src/base/errors.ts';
import { findChromium, installChromium } from './support/chromium.ts';

async function chromium(): Promise<string> {
  const found = await findChromium();
  if (found !== undefined) return found;
  await installChromium();
  return `${await findChromium()}, installed now`;
}

process.stdout.write(`chromium: ${await chromium().catch((error: unknown) => `none: ${errorText(error)}`)}\n`);
