// What docs/coming_from_adobe.md shows is what the product takes, and comes to what the page says.
import { expect, it } from 'vitest';
import type { Plan } from '../../../src/aggregate/plan.ts';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { SETTING_KEYS } from '../../../src/definitions/setting_keys.ts';
import { payloadMapper } from '../../../src/ingest/payload_row.ts';
import type { EventBody } from '../../../src/message/admission.ts';
import { chooseIdentity } from '../../../src/producer/choose_identity.ts';
import { applyMergePatch } from '../../../src/record/merge_patch.ts';
import { merged, type MergeSource } from '../../../src/record/merge_policy.ts';
import type { JsonObject } from '../../../src/record/json.ts';
import { blocksOf, pageText } from '../../support/doc_pages.ts';
import { load } from '../definitions/definitions_files.ts';

const PAGE = 'docs/coming_from_adobe.md';
const page = pageText(PAGE);
const [file, attributes] = blocks('yaml');
const [descriptor, policy, envelope] = blocks('json').map((block) => JSON.parse(block) as unknown);
const document = load(`${file!}computedAttributes:\n${attributes!.replaceAll(/^(?=.)/gm, '  ')}`);
const plan = compilePlan(document);

function blocks(language: string): string[] {
  return blocksOf(PAGE, language).map(({ text }) => text);
}

it('the definitions load and compile', () => {
  expect(blocks('yaml')).toHaveLength(2);
  const filters = [...document.data.computedAttributes.values()].filter(({ filter }) => filter !== null);
  const expressions = plan.attributes.filter(({ expression }) => expression !== null);
  expect([plan.attributes.length, filters.length, expressions.length]).toEqual([16, 7, 2]);
  expect(expressions.find(({ name }) => name === 'goldBuyer')!.expression!.readsRecord).toBe(true);
});

// W5 of the reference page; its e1 again and its window are for the fold
const order = (priceTotal: number, rest: object = {}): EventBody => ({ commerce: { order: { priceTotal }, ...rest } });
const purchases = (value: number): object => ({ purchases: { value } });

it.each<[string, EventBody, boolean]>([
  ['sumPurchases7d', order(25, purchases(1)), true],
  ['sumPurchases7d', order(10), true],
  ['sumPurchases7d', order(9.99, purchases(1)), false],
  ['sumPurchases7d', order(9.99, purchases(2)), true],
  ['sumPurchases7d', order(1, { checkouts: { value: 1 } }), true],
  ['sumPurchases7d', { web: {} }, false],
  ['euroOrders90d', { commerce: { order: { priceTotal: 100, currencyCode: 'EUR' } } }, true],
  ['euroOrders90d', { commerce: { order: { priceTotal: 99.99, currencyCode: 'EUR' } } }, false],
  ['euroOrders90d', order(100), false],
  ['entryPages', { web: { webPageDetails: { name: 'campaign' } } }, true],
  ['entryPages', { web: { webPageDetails: { name: 'cart' } } }, false],
  ['checkoutPages1d', { web: { webPageDetails: { name: 'Checkout/2' } } }, true],
  ['checkoutPages1d', { web: { webPageDetails: { name: 'my checkout' } } }, false],
  ['ordersWithCurrency', { commerce: { order: { currencyCode: 'EUR' } } }, true],
  ['ordersWithCurrency', order(1), false],
  ['foreignOrders', { commerce: { order: { currencyCode: 'EUR' } } }, true],
  ['foreignOrders', { commerce: { order: { currencyCode: 'USD' } } }, false],
  ['foreignOrders', order(1), false],
  ['redShoes3h', { productListItems: [{ name: 'socks' }, { name: 'red shoes' }] }, true],
  ['redShoes3h', { productListItems: [{ name: 'socks' }] }, false],
])('%s looks at %j: %s', (name, event, expected) => {
  expect(measureOf(name).matches(event)).toBe(expected);
});

it('values are what the documented expressions take', () => {
  expect(measureOf('sumPurchases7d').valueOf(order(9.99))).toBe(9.99);
  expect(measureOf('lastProducer').valueOf({ producedBy: 'store' })).toBe('store');
  expect(plan.byEventType.get('commerce.backofficeOrderPlaced')).toContain(measureOf('lastProducer').index);
  const shipDate = '2026-03-10T09:00:00.000Z';
  expect(measureOf('firstShipDate1d').valueOf({ commerce: { shipping: { shipDate } } })).toBe(shipDate);
  expect(measureOf('firstShipDate1d').timestamps).toBe(true);
});

it('no filter stands in the text that is not in these blocks', () => {
  expect(page.replaceAll(/^```[\s\S]*?^```/gm, '')).not.toMatch(/`event\./);
});

it('the policy in JSON is the one in YAML, and both decide as the page says', () => {
  const { name, identityGraph, attributeMerge, ...rest } = policy as {
    name: string;
    identityGraph: { type: string };
    attributeMerge: { type: string; order: string[] };
    default: boolean;
  };
  expect(attributeMerge.type).toBe('dataSetPrecedence');
  expect(document.data.mergePolicies.get(name)).toEqual({
    class: 'individual',
    order: attributeMerge.order,
    stitching: identityGraph.type,
    default: rest.default,
  });
  const says = (dataset: string, sequence: number, firstName: string, city: string): MergeSource => ({
    dataset: plan.datasets.indexOf(dataset),
    name: dataset,
    identity: 'CRMID.1',
    lastUpdatedMs: sequence,
    sequence,
    record: { person: { name: { firstName } }, homeAddress: { city } },
  });
  const sources = [says('loyalty', 1, 'Daniel', 'New York City'), says('crm', 2, 'Danny', 'Portland')];
  const shown = plan.policies.map((each) => [each.name, leaves(merged(sources, each))]);
  expect(Object.fromEntries(shown)).toEqual({ newest: ['Danny', 'Portland'], loyaltyFirst: ['Daniel', 'New York City'] });
  expect(plan.policy.name).toBe('newest');
});

function leaves({ person, homeAddress }: JsonObject): unknown[] {
  return [((person as JsonObject)['name'] as JsonObject)['firstName'], (homeAddress as JsonObject)['city']];
}

it('the descriptor is the entry under identities', () => {
  const { 'xdm:sourceProperty': path, 'xdm:namespace': namespace } = descriptor as Record<string, string>;
  expect(document.data.schemas.get('customer')!.identities).toEqual([{ path, namespace }]);
});

it('the envelope is taken off: a merge, for the identity with the highest priority', () => {
  const { body } = envelope as { body: { xdmEntity: JsonObject } };
  const map = payloadMapper({
    behavior: 'record',
    operation: 'create',
    identityOf: (payload) => chooseIdentity(payload, 'crm', plan.admission),
  });
  const row = map({ line: 1, text: JSON.stringify(envelope) } as Parameters<typeof map>[0], 'own-id');
  expect(row).toMatchObject({ identity: { namespace: 'CRMID', id: '2e33192000007456' }, operation: 'merge' });
  expect(JSON.parse((row as { body: string }).body)).toEqual({ _id: 'own-id', ...body.xdmEntity });
});

it('the array change in the text is one', () => {
  const [, patch] = /`(\{ "loyalty"[^`]*\$append[^`]*\})`/.exec(page)!;
  const before = { loyalty: { tags: ['new'] } };
  expect(applyMergePatch(before, JSON.parse(patch!) as JsonObject)).toEqual({ loyalty: { tags: ['new', 'vip'] } });
});

it('the limits are the defaults', () => {
  const standard = (key: string): unknown => SETTING_KEYS.find((each) => each.key === key)!.standard;
  expect(page).toContain(`| ${kilobytes('limits.eventBytes')} · ${kilobytes('limits.recordBytes')} (\`limits.eventBytes\``);
  expect(page).toContain(`| ${String(standard('limits.idBytes')).replace('B', '')} bytes (\`limits.idBytes\`)`);
  expect(page).toContain(`| ${String(standard('limits.identitiesPerMessage'))} (\`limits.identitiesPerMessage\`)`);
  expect(page).toContain(`of a body ${String(standard('limits.depth'))} (\`limits.depth\`)`);
  expect(page).toContain(`past ${Number(standard('exactEvents')).toLocaleString('en-US')} in a window (\`exactEvents\`)`);

  function kilobytes(key: string): string {
    return String(standard(key)).replace('KB', ' KB');
  }
});

function measureOf(name: string): Plan['measures'][number] {
  return plan.measures[plan.attributes.find((attribute) => attribute.name === name)!.measure]!;
}
