// The newcomer's path: the demo as README says, the address that it prints, a value that changes and leaves its window, why.
// UPDATE_DOCS=1 takes the pictures of the documentation on the way.
import { once } from 'node:events';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { chromiumOrSkip, listed, openBrowser, rowOf, watchedPage } from '../support/explorer.ts';
import { eventually } from '../support/eventually.ts';
import { start } from './program.ts';

const PICTURES = join(import.meta.dirname, '../../docs/pictures');
const PICTURE_BYTES_MAX = 200 * 1024;
const TAKES_PICTURES = process.env['UPDATE_DOCS'] === '1';
const VALUE = 'spend30s';
/** She orders, rests until all of it has left, and orders again, in 50 s. */
const ROUND_MS = 60_000;
const chromium = await chromiumOrSkip();

describe.skipIf(chromium === undefined)('in Chromium', () => {
  test(
    'the customer whom the demo names: a value changes and leaves its window; why, and the events add up',
    { timeout: 240_000 },
    async () => {
      const demo = start(['demo', '--events', '2000']);
      const browser = await openBrowser(chromium!);
      try {
        const url = await untilNamed(demo.stdout!);
        const { page, complaints, requests } = await watchedPage(browser, { reducedMotion: 'reduce' });
        await page.goto(url.replace(/#.*/, '')); // as one who types it in: the page, then whom the demo names
        const [, namespace, id] = /#\/profile\/([^/]+)\/([^/]+)$/.exec(url)!;
        await page.getByRole('combobox', { name: 'Namespace' }).selectOption(namespace!);
        await page.getByRole('searchbox', { name: 'Id' }).fill(id!);
        await page.keyboard.press('Enter');
        const value = rowOf(page, VALUE).locator('.value');
        await page.locator('.pill[data-live="live"]').waitFor();
        const amounts = new Watch(() => value.getAttribute('title'));

        await eventually('she orders: the value rises', () => amounts.moved((before, after) => after > before), {
          timeoutMs: ROUND_MS,
          everyMs: 50,
        });
        await page.getByRole('button', { name: `Why ${VALUE}` }).click();
        await eventually('three of her orders are in the window', async () => (await listed(page, VALUE)).values.length >= 3, {
          timeoutMs: ROUND_MS,
        });
        const { values, total, verdict } = await listed(page, VALUE);
        expect(Math.round(values.reduce((sum, each) => sum + each, 0) * 100)).toBe(Math.round(total * 100));
        expect(verdict).toBe('same');
        if (TAKES_PICTURES) await pictures(page, url);

        await eventually(
          'an order leaves: the value falls, and nobody has sent anything',
          () => amounts.moved((before, after) => after < before),
          { timeoutMs: ROUND_MS, everyMs: 50 },
        );
        await page.locator('.change', { hasText: 'time has passed' }).first().waitFor();
        await eventually('the list is that of the value', async () => {
          const now = await listed(page, VALUE);
          return now.verdict === 'same' && String(now.total) === (await value.getAttribute('title'));
        });
        expect(complaints).toEqual([]);
        expect(requests.filter((address) => new URL(address).origin !== new URL(url).origin)).toEqual([]);
      } finally {
        await browser.close();
        demo.kill('SIGINT');
        await once(demo, 'close');
      }
    },
  );
});

/** What a value was, look by look. */
class Watch {
  private readonly look: () => Promise<string | null>;
  private before: number | undefined;

  constructor(look: () => Promise<string | null>) {
    this.look = look;
  }

  /** Since the look before. */
  async moved(how: (before: number, after: number) => boolean): Promise<boolean> {
    const after = Number(await this.look());
    const { before = after } = this;
    this.before = after;
    return how(before, after);
  }
}

/** The address in the demo's closing lines. */
async function untilNamed(stdout: NodeJS.ReadableStream): Promise<string> {
  let said = '';
  stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await eventually('the demo keeps running', () => said.includes('Ctrl-C ends it.'), { timeoutMs: 90_000, everyMs: 50 });
  return /^http:\/\/127\.0\.0\.1:\d+\/#\/profile\/\S+$/m.exec(said)![0];
}

async function pictures(page: Page, url: string): Promise<void> {
  mkdirSync(PICTURES, { recursive: true });
  await page.setViewportSize({ width: 1280, height: 990 });
  await page.getByRole('button', { name: 'Who says what about person.name.firstName' }).click();
  await eventually('nothing has just changed', async () => (await page.locator('.changed').count()) === 0);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const path = join(PICTURES, `explorer_${colorScheme}.png`);
    await page.screenshot({ path });
    expect(statSync(path).size).toBeLessThan(PICTURE_BYTES_MAX);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  expect(page.url()).toBe(url);
}
