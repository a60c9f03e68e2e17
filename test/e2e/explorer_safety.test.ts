// What the explorer must never do, in a real browser: run what somebody sent, ask anybody but its worker, weigh much, shut anybody out.
import axe from 'axe-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import {
  chromiumOrSkip,
  openBrowser,
  profileUrl,
  rowOf,
  shows,
  startExplorerWorld,
  watchedPage,
  type ExplorerWorld,
} from '../support/explorer.ts';
import { eventually } from '../support/eventually.ts';
import { openTokenDoor } from '../support/token_door.ts';

const WEIGHT_MAX = 200 * 1024;
const HOSTILE = '<img src=x onerror="globalThis.hacked=1">"\'&<script>globalThis.hacked=1</script>';
const chromium = await chromiumOrSkip();

type Finding = { readonly id: string; readonly impact: string | null; readonly nodes: readonly { readonly html: string }[] };

describe.skipIf(chromium === undefined)('in Chromium', () => {
  let world: ExplorerWorld;
  let browser: Browser;

  beforeAll(async () => {
    [world, browser] = await Promise.all([startExplorerWorld(), openBrowser(chromium!)]);
    for (const id of ['ada', HOSTILE]) {
      const [greeting, path] = [`${HOSTILE} `, 'javascript:globalThis.hacked=1'];
      await world.record(
        'crm',
        id,
        { person: { name: { firstName: greeting, lastName: path } }, [HOSTILE]: { [HOSTILE]: HOSTILE } },
        '2026-01-01T00:00:00Z',
      );
      await world.record(
        'loyalty',
        id,
        { person: { name: { firstName: `2 ${HOSTILE}` } }, loyalty: { tier: 'gold' } },
        '2026-02-01T00:00:00Z',
      );
      await world.order(id, HOSTILE, 25, {
        eventType: HOSTILE,
        note: HOSTILE,
        commerce: { order: { priceTotal: 25, channel: HOSTILE } },
      });
      await world.order(id, `${HOSTILE}2`, 10, { commerce: { order: { priceTotal: 10, channel: HOSTILE } } });
    }
  });

  afterAll(async () => {
    await browser.close();
    await world.stop();
  });

  /** Everything on the page of a profile that opens, opened. */
  async function openEverything(page: Page): Promise<void> {
    const closed = page.locator('main :is(.said-button, .why-button, .event-button)[aria-expanded="false"]');
    while ((await closed.count()) > 0) await closed.first().click();
    await page.locator('.verdict:visible').first().waitFor();
    await eventually('nothing loads any more', async () => (await page.locator('.loading:visible').count()) === 0);
  }

  test('an id, keys and values that are HTML are text, and nothing else', async () => {
    const { page, complaints, requests } = await watchedPage(browser);
    await page.goto(profileUrl(world.url, HOSTILE));
    await shows(page, 'lastChannel', HOSTILE);
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(HOSTILE);
    await eventually('the events are there', async () => (await page.locator('.event').count()) === 2);
    await openEverything(page);
    await world.order(HOSTILE, `${HOSTILE}3`, 1, { commerce: { order: { priceTotal: 1, channel: `${HOSTILE}3` } } });
    await shows(page, 'lastChannel', `${HOSTILE}3`);
    await page.locator('.change').first().waitFor();
    expect(await page.locator('[data-path="attributes.person.name.firstName"] .leaf-value').textContent()).toBe(`2 ${HOSTILE}`);
    expect(await page.locator('main img, main script, main iframe, main [onerror], main a').count()).toBe(0);
    expect(await page.evaluate('"hacked" in globalThis')).toBe(false);
    expect(complaints).toEqual([]);
    expect(requests.filter((address) => !address.startsWith(world.url))).toEqual([]);
    await page.context().close();
  });

  test('the page weighs little, comes as it must, and is not sent twice', async () => {
    const { page, requests, complaints } = await watchedPage(browser);
    const files: Promise<readonly [url: string, bytes: number]>[] = [];
    page.on('response', (response) => {
      const { pathname } = new URL(response.url());
      if (pathname === '/' || pathname.startsWith('/explorer/'))
        files.push(response.body().then((body) => [pathname, body.length]));
    });
    for (const view of ['', '#/fields', '#/definitions', '#/shards', '#/profile/customerId/ada']) {
      await page.goto(world.url + view);
      await eventually('it is there', async () => (await page.locator('main .loading').count()) === 0);
    }
    const sizes = new Map(await Promise.all(files));
    expect(sizes.size).toBeGreaterThan(10);
    expect([...sizes.values()].reduce((sum, size) => sum + size, 0)).toBeLessThan(WEIGHT_MAX);
    expect(requests.filter((address) => !address.startsWith(world.url))).toEqual([]);
    expect(complaints).toEqual([]);
    await page.context().close();

    for (const path of sizes.keys()) {
      const first = await fetch(new URL(path, world.url));
      await first.arrayBuffer();
      const { headers } = first;
      expect(headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; script-src 'self'; (?!.*unsafe).*frame-ancestors 'none'/,
      );
      expect([headers.get('x-content-type-options'), headers.get('referrer-policy'), headers.get('cache-control')]).toEqual([
        'nosniff',
        'no-referrer',
        'no-cache',
      ]);
      const again = await fetch(new URL(path, world.url), { headers: { 'if-none-match': headers.get('etag')! } });
      expect([again.status, await again.text()]).toEqual([304, '']);
    }
    for (const path of ['explorer/', 'explorer/tsconfig.json', 'explorer/..%2Fapi%2Fproblem.ts', 'explorer/constructor'])
      expect((await fetch(world.url + path)).status, path).toBe(404);
  });

  test.each(['light', 'dark'] as const)('no view shuts anybody out, %s', async (colorScheme) => {
    const { page } = await watchedPage(browser, { colorScheme, reducedMotion: 'reduce' });
    const found: string[] = [];
    for (const view of [
      '#/',
      '#/profile/customerId/ada',
      '#/profile/customerId/nobody',
      '#/profile/1bad/x',
      '#/fields',
      '#/definitions',
      '#/shards',
    ]) {
      await page.goto(`${world.url}${view}`);
      await page.reload(); // an address that differs behind # alone loads nothing
      await eventually('it is there', async () => (await page.locator('main .loading').count()) === 0);
      if (view.endsWith('/ada')) await openEverything(page);
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate<{ violations: Finding[] }>(`axe.run(document, { resultTypes: ['violations'] })`);
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      found.push(...serious.map(({ id, nodes }) => `${view} ${id}: ${nodes.map(({ html }) => html).join(' ')}`));
    }
    expect(found).toEqual([]);
    await page.context().close();
  });

  test('a token is asked for when it is needed, goes out as a header, live changes too, and stays in this tab', async () => {
    const door = await openTokenDoor(world.url, 'right');
    try {
      const { page, requests, complaints } = await watchedPage(browser);
      await page.goto(profileUrl(door.url, 'ada'));
      const token = page.getByLabel('Token', { exact: true });
      await token.waitFor();
      expect(await page.locator('.error').textContent()).toContain('There is no such token.');
      await token.fill('wrong');
      await page.keyboard.press('Enter');
      await page.getByText('The worker does not take this token.').waitFor();
      await token.fill('right');
      await page.getByRole('button', { name: 'Use it' }).click();
      await page.locator('.pill[data-live="live"]').waitFor();
      const before = Number(await rowOf(page, 'spendLifetime').locator('.value').getAttribute('title'));
      await world.order('ada', `token-${Date.now()}`, 1);
      await shows(page, 'spendLifetime', String(before + 1));
      door.change('another');
      await token.waitFor();
      await token.fill('another');
      await page.keyboard.press('Enter');
      await page.locator('.pill[data-live="live"]').waitFor();
      expect(requests.join()).not.toMatch(/right|another|wrong/);
      expect(door.refused.length).toBeLessThan(20);
      expect(complaints).toEqual([]);
      expect(await page.evaluate('[localStorage.length, sessionStorage.length]')).toEqual([0, 1]);
      await page.context().close();
    } finally {
      await door.close();
    }
  });

  test('light or dark: as the system has it, or as is chosen here', async () => {
    const { page } = await watchedPage(browser, { colorScheme: 'dark' });
    await page.goto(world.url);
    const paper = (): Promise<string> => page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
    const dark = await paper();
    await page.getByRole('button', { name: /^Colours: auto/ }).click();
    const light = await paper();
    expect(light).not.toBe(dark);
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await paper()).toBe(light);
    await page.reload();
    expect(await paper()).toBe(light);
    await page.getByRole('button', { name: /^Colours: light/ }).click();
    expect(await paper()).toBe(dark);
    await page.context().close();
  });

  test('on a narrow screen nothing is cut off, and what comes late moves nothing', async () => {
    const { page } = await watchedPage(browser, { viewport: { width: 360, height: 740 }, reducedMotion: 'reduce' });
    for (const view of ['', '#/profile/customerId/ada', '#/fields', '#/definitions', '#/shards']) {
      await page.goto(world.url + view);
      await page.reload();
      await eventually('it is there', async () => (await page.locator('main .loading').count()) === 0);
      const [content, screen] = await page.evaluate<[number, number]>('[document.documentElement.scrollWidth, innerWidth]');
      expect(content, view).toBeLessThanOrEqual(screen);
    }
    await page.goto(profileUrl(world.url, 'ada'));
    await rowOf(page, 'spendLifetime').waitFor();
    const place = await rowOf(page, 'spendLifetime').boundingBox();
    await world.order('ada', `late-${Date.now()}`, 5);
    await eventually(
      'it has changed',
      async () => (await page.locator('[data-name="spendLifetime"][data-changed]').count()) === 1,
    );
    const moved = (await rowOf(page, 'spendLifetime').boundingBox())!.y - place!.y;
    expect(Math.abs(moved)).toBeLessThan(2); // a line of text is 20 high
    await page.context().close();
  });
});
