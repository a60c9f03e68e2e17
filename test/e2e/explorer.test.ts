// The explorer in a real browser, on a real worker: finding, explaining, what changes live, what is not there, a worker that goes and comes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Browser } from 'playwright-core';
import {
  chromiumOrSkip,
  listed,
  openBrowser,
  profileUrl,
  rowOf,
  SHORT_MS,
  shows,
  startExplorerWorld,
  valueOf,
  watchedPage,
  type ExplorerWorld,
  type Watched,
} from '../support/explorer.ts';
import { eventually } from '../support/eventually.ts';

/** Its name, and how it shows that it is. */
const FOCUSED = `((node) => [node.ariaLabel ?? node.textContent, getComputedStyle(node).outlineStyle])(document.activeElement)`;
const chromium = await chromiumOrSkip();

describe.skipIf(chromium === undefined)('in Chromium', () => {
  let world: ExplorerWorld;
  let browser: Browser;
  let open: Watched[] = [];

  beforeAll(async () => {
    [world, browser] = await Promise.all([startExplorerWorld(), openBrowser(chromium!)]);
    await Promise.all([
      world.record('crm', 'ada', { person: { name: { firstName: 'Augusta', lastName: 'Lovelace' } } }, '2026-01-01T00:00:00Z'),
      world.record(
        'loyalty',
        'ada',
        { person: { name: { firstName: 'Ada' } }, loyalty: { tier: 'gold' } },
        '2026-02-01T00:00:00Z',
      ),
      world.order('ada', 'a-1', 25),
      world.order('ada', 'a-2', 9.99),
      world.order('ada', 'a-3', 0.1),
    ]);
  });

  afterAll(async () => {
    await browser.close();
    await world.stop();
  });

  async function opened(url = world.url): Promise<Watched['page']> {
    const watched = await watchedPage(browser);
    open.push(watched);
    await watched.page.goto(url);
    return watched.page;
  }

  async function closed(): Promise<void> {
    for (const { page, requests, complaints } of open) {
      expect(complaints).toEqual([]);
      expect(requests.filter((address) => !address.startsWith(world.url))).toEqual([]);
      await page.context().close();
    }
    open = [];
  }

  const live = (page: Watched['page']): Promise<void> => page.locator('.pill[data-live="live"]').waitFor();

  test('finds a profile by its identity, and its address leads there', async () => {
    const page = await opened();
    const namespaces = page.getByRole('combobox', { name: 'Namespace' });
    await eventually('the namespaces are offered', async () => (await namespaces.locator('option').count()) === 2);
    expect(await namespaces.locator('option').allTextContents()).toEqual(['customerId', 'email']);
    await page.getByRole('searchbox', { name: 'Id' }).fill('ada');
    await page.getByRole('button', { name: 'Find' }).click();
    await shows(page, 'spendLifetime', '35.09');
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('ada');
    expect(page.url()).toBe(profileUrl(world.url, 'ada'));
    expect(await page.locator('[data-path="attributes.loyalty.tier"] .leaf-value').textContent()).toBe('gold');
    await page.reload();
    await shows(page, 'spendLifetime', '35.09');
    expect(await page.getByRole('searchbox', { name: 'Id' }).inputValue()).toBe('ada');
    await page.getByRole('link', { name: 'Shards' }).click();
    await page.goBack();
    await shows(page, 'spendLifetime', '35.09');
    await closed();
  });

  test('says of a field who says what, and what lost', async () => {
    const page = await opened(profileUrl(world.url, 'ada'));
    const leaf = page.locator('[data-path="attributes.person.name.firstName"]');
    await eventually(
      'its source is named',
      async () => (await leaf.locator('.leaf-source .dataset').textContent()) === 'loyalty',
    );
    expect(await leaf.locator('.leaf-source time').getAttribute('title')).toBe('2026-02-01T00:00:00.000Z');
    await leaf.getByRole('button', { name: 'Who says what about person.name.firstName' }).click();
    const said = leaf.locator('.said li');
    expect(await said.locator('.dataset').allTextContents()).toEqual(['loyalty', 'crm']);
    expect(await said.locator('.said-value').allTextContents()).toEqual(['Ada', 'Augusta']);
    expect(await leaf.locator('.lost .why-not').textContent()).toBe('older: its lastUpdated is earlier');
    await closed();
  });

  test('another merge policy: other attributes, the same computed values, an address of its own', async () => {
    const page = await opened(profileUrl(world.url, 'ada'));
    const name = page.locator('[data-path="attributes.person.name.firstName"] .leaf-value');
    await eventually('by default', async () => (await name.textContent()) === 'Ada');
    await page.getByRole('combobox', { name: 'Merge policy' }).selectOption('crmFirst');
    await eventually('by crmFirst', async () => (await name.textContent()) === 'Augusta');
    await eventually(
      'its rule',
      async () => (await page.locator('.rule').textContent()) === 'Merged by crmFirst: crm before loyalty.',
    );
    expect(await valueOf(page, 'spendLifetime')).toBe('35.09');
    expect(page.url()).toBe(`${profileUrl(world.url, 'ada')}?policy=crmFirst`);
    await page.reload();
    await eventually('again', async () => (await name.textContent()) === 'Augusta');
    await closed();
  });

  test('why: the events that are listed add up to the value that is shown', async () => {
    const page = await opened(profileUrl(world.url, 'ada'));
    for (const [name, total] of [
      ['spendLifetime', 35.09],
      ['dearest', 25],
      ['channels', 1],
    ] as const) {
      await shows(page, name, String(total));
      await page.getByRole('button', { name: `Why ${name}` }).click();
      await rowOf(page, name).locator('.verdict[data-verdict="same"]').waitFor();
      expect((await listed(page, name)).total).toBe(total);
    }
    const { values } = await listed(page, 'spendLifetime');
    expect(values.toSorted((a, b) => a - b)).toEqual([0.1, 9.99, 25]);
    expect(Math.round(values.reduce((sum, value) => sum + value, 0) * 100) / 100).toBe(35.09);
    await page.getByRole('button', { name: 'Why averageOrder' }).click();
    await rowOf(page, 'averageOrder').getByRole('button', { name: 'spendLifetime' }).click();
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe('Why spendLifetime');
    await closed();
  });

  test('a value enters, and leaves its window, before the eyes of whoever looks; the events add up all the while', async () => {
    const page = await opened(profileUrl(world.url, 'lin'));
    await page.locator('#main').getByText('There is no such profile').waitFor();
    await live(page);
    await page.evaluate('globalThis.isTheSame = true');
    await world.order('lin', 'l-1', 25);
    await shows(page, 'spendShort', '25'); // it was not there: it appears by itself
    await page.getByRole('button', { name: 'Why spendShort' }).click();
    await world.order('lin', 'l-2', 9.99);
    await shows(page, 'spendShort', '34.99');
    await eventually(
      'it is shown that it has changed',
      async () => (await page.locator('[data-name="spendShort"][data-changed]').count()) === 1,
    );
    await eventually('who cannot see it hears it', async () =>
      (await page.locator('#said').textContent())?.includes('spendShort is now 34.99'),
    );
    await eventually('the list follows', async () => (await listed(page, 'spendShort')).values.length === 2);
    expect(await listed(page, 'spendShort')).toEqual({ values: [9.99, 25], total: 34.99, verdict: 'same' });
    expect(await rowOf(page, 'spendShort').locator('.next').textContent()).toMatch(/^changes (in \d s|now)$/);
    expect(await rowOf(page, 'isShopping').locator('.value').textContent()).toBe('in');
    await shows(page, 'spendShort', '0', 3 * SHORT_MS); // nobody has sent anything
    await rowOf(page, 'spendShort').getByText('No event counts just now.').waitFor();
    await eventually(
      'out of the audience',
      async () => (await rowOf(page, 'isShopping').locator('.value').textContent()) === 'not in',
    );
    await page.locator('.changes').getByText('time has passed').first().waitFor();
    expect(await page.locator('.event').count()).toBe(2);
    expect(await page.evaluate('globalThis.isTheSame')).toBe(true);
    await closed();
  });

  test('recent events come page by page, newest first, with their payload', async () => {
    for (let n = 1; n <= 25; n++) await world.order('many', `m-${n}`, n);
    const page = await opened(profileUrl(world.url, 'many'));
    const events = page.locator('.event');
    await eventually('a page', async () => (await events.count()) === 20);
    await page.getByRole('button', { name: 'Earlier events' }).click();
    await eventually('the rest', async () => (await events.count()) === 25);
    expect(await page.getByRole('button', { name: 'Earlier events' }).count()).toBe(0);
    await events.last().getByRole('button').click();
    expect(JSON.parse((await events.last().locator('pre').textContent())!)).toMatchObject({
      _id: 'm-1',
      eventType: 'commerce.purchases',
    });
    await closed();
  });

  test.each([
    ['1bad', 'x', 'That cannot be read', /namespace/],
    ['customerId', 'x'.repeat(600), 'That cannot be read', /512/],
  ])('an identity that cannot be one (%s): what the worker says about it is shown', async (namespace, id, title, detail) => {
    const page = await opened(profileUrl(world.url, id, namespace));
    const error = page.locator('.error');
    await error.waitFor();
    expect(await error.locator('.error-title').textContent()).toBe(title);
    expect(await error.textContent()).toMatch(detail);
    await closed();
  });

  test('the worker is killed and comes back: the page says so and goes on by itself', async () => {
    const page = await opened(profileUrl(world.url, 'ada'));
    await live(page);
    await page.evaluate('globalThis.isTheSame = true');
    await world.killWorker();
    await page.locator('#bar:not([hidden])').waitFor();
    await page.locator('.pill:not([data-live="live"])').waitFor();
    expect(await valueOf(page, 'spendLifetime')).toBe('35.09'); // what is known stays
    const second = await opened(profileUrl(world.url, 'ada')).catch(() => undefined);
    expect(second).toBeUndefined(); // nothing is left that could answer
    await world.startWorker();
    await live(page);
    await page.locator('#bar').waitFor({ state: 'hidden' });
    await world.order('ada', 'a-4', 4.91);
    await shows(page, 'spendLifetime', '40');
    expect(await page.evaluate('globalThis.isTheSame')).toBe(true);
    await closed();
  });

  test('a view that was asked for while the worker was away comes when it is back', async () => {
    const page = await opened();
    await page.locator('.tile').first().waitFor();
    await world.killWorker();
    await page.getByRole('link', { name: 'Fields' }).click();
    await page.locator('#main').getByText('The worker does not answer').first().waitFor();
    await world.startWorker();
    await page.getByRole('rowheader', { name: 'commerce.order.priceTotal' }).waitFor();
    await closed();
  });

  test('with the keyboard alone', async () => {
    const page = await opened();
    await page.locator('.tile').first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('ada');
    await page.keyboard.press('Enter');
    await shows(page, 'spendLifetime', '40');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('H1'); // where the new view begins
    const wanted = 'Why spendLifetime';
    for (let n = 0; n < 40; n++) {
      await page.keyboard.press('Tab');
      const [name, outline] = await page.evaluate<[string, string]>(FOCUSED);
      expect(outline, `where the focus is can be seen: ${name}`).not.toBe('none');
      if (name === wanted) break;
    }
    await page.keyboard.press('Enter');
    await rowOf(page, 'spendLifetime').locator('.verdict[data-verdict="same"]').waitFor();
    await page.keyboard.press('Enter');
    expect(await rowOf(page, 'spendLifetime').locator('.why').isVisible()).toBe(false);
    await closed();
  });

  test('the other views: what is computed, which fields there are, whose the shards are', async () => {
    const page = await opened(`${world.url}#/definitions`);
    await page.getByRole('heading', { name: 'spendShort' }).waitFor();
    expect(await page.locator('main').textContent()).toMatch(/sum · last 6s[^]*crm before loyalty[^]*one a person/);
    await page.getByRole('link', { name: 'Fields' }).click();
    const field = page.getByRole('row', { name: /person\.name\.firstName/ });
    await field.waitFor();
    expect(await field.locator('.dataset').allTextContents()).toEqual(['crm', 'loyalty']);
    await page.getByRole('searchbox', { name: 'Filter' }).fill('TIER');
    expect(await page.locator('tbody tr').count()).toBe(1);
    await page.getByRole('link', { name: 'Shards' }).click();
    const shards = page.locator('table.shards tbody tr');
    await eventually('both are active', async () => (await shards.locator('.state[data-state="active"]').count()) === 2);
    expect(await shards.first().locator('.owner').textContent()).toMatch(/^explorer-test/);
    await closed();
  });
});
