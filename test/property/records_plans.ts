// Definitions for random logs of events, records and deletes: four datasets of records beside those of events, three merge policies,
// expressions over records, schemas that refuse some results. Made by hand from what definitions compile to.
import type { Attribute, Plan } from '../../src/aggregate/plan.ts';
import type { DatasetRule, EventBody, PayloadCheck } from '../../src/message/admission.ts';
import type { JsonObject } from '../../src/record/json.ts';
import { planWith, type AttributeText } from '../unit/shard/fold_run.ts';

export const RECORD_DATASETS = ['crm', 'loyalty', 'web', 'notes'] as const;
export const EVENT_DATASETS = ['orders', 'returns', 'audit'] as const;

const ATTRIBUTES: Record<string, AttributeText> = {
  orders: { function: 'count', window: 'lifetime' },
  spend: { function: 'sum', value: 'event.price', window: { sliding: '1h' } },
  spend10: { function: 'sum', value: 'event.price', eventTypes: ['buy'], window: { sliding: '10ms' } },
  channel: { function: 'mostRecent', value: 'event.channel', window: { sliding: '1s' } },
  channels: { function: 'countDistinct', value: 'event.channel', window: 'lifetime' },
  least: { function: 'min', value: 'event.price', window: { sliding: '2d' } },
  busy: { function: 'expression', expression: 'orders > 2', audience: true },
};

type ByHand = Pick<Attribute, 'name' | 'audience' | 'revision'> & { readonly expression: NonNullable<Attribute['expression']> };

/** The plans of revision 1 and 2. */
export const PLANS: readonly Plan[] = [1, 2].map((revision) => {
  const added: Record<string, AttributeText> = { later: { function: 'count', window: { sliding: '1h' }, revision: 2 } };
  const plan = planWith(revision === 1 ? ATTRIBUTES : { ...ATTRIBUTES, ...added });
  return withRecords(plan, revision);
});

function withRecords(plan: Plan, revision: number): Plan {
  const datasets = [...plan.datasets, ...RECORD_DATASETS];
  const rules = new Map(plan.admission.datasets);
  for (const name of RECORD_DATASETS) rules.set(name, ruleOf(name, datasets.indexOf(name)));
  const order = (...names: readonly string[]): number[] => names.map((name) => datasets.indexOf(name));
  const policies = [
    { name: 'default', isDefault: true, stitching: 'none', order: null } as const,
    { name: 'crmFirst', isDefault: false, stitching: 'none', order: order('crm', 'loyalty') } as const,
    { name: 'webOnly', isDefault: false, stitching: 'none', order: order('web') } as const,
  ];
  const first = plan.attributes.filter((attribute) => attribute.revision === 1);
  const expressions = byHand(plan);
  // expressions of the first revision stand before what came later
  const attributes = [...first, ...expressions, ...plan.attributes.slice(first.length)].map((each, index): Attribute => ({
    ...plan.attributes.find(({ name }) => name === 'busy')!,
    ...each,
    index,
    path: `computed.${each.name}`,
  }));
  const moved = (index: number): number => attributes.findIndex(({ name }) => name === plan.attributes[index]!.name);
  return {
    ...plan,
    hash: `records-${revision}`,
    datasets,
    admission: { ...plan.admission, datasets: rules },
    policies,
    policy: policies[0]!,
    attributes,
    measures: plan.measures.map((measure) => ({ ...measure, attributes: measure.attributes.map(moved) })),
    finiteLatest: plan.finiteLatest.map(({ index }) => attributes[moved(index)]!),
    expressions: attributes.flatMap(({ expression, index }) => (expression === null ? [] : [index])),
  };
}

function byHand(plan: Plan): ByHand[] {
  const orders = plan.attributes.findIndex(({ name }) => name === 'orders');
  return [
    {
      name: 'tier',
      audience: false,
      revision: 1,
      expression: { text: 'profile.tier', inputs: [], readsRecord: true, evaluate: ({ record }) => textAt(record(), 'tier') },
    },
    {
      name: 'goldBuyer',
      audience: true,
      revision: 1,
      expression: {
        text: 'profile.tier == "gold" && orders > 0',
        inputs: [orders],
        readsRecord: true,
        evaluate: ({ record, valueOf }) => textAt(record(), 'tier') === 'gold' && (valueOf(orders) as number) > 0,
      },
    },
  ];
}

function textAt(record: JsonObject, key: string): string | undefined {
  const value = Object.hasOwn(record, key) ? record[key] : undefined;
  return typeof value === 'string' ? value : undefined;
}

function ruleOf(name: (typeof RECORD_DATASETS)[number], index: number): DatasetRule {
  const check: PayloadCheck | null = name === 'crm' || name === 'notes' ? noNumberAtB : null;
  return { name, index, profile: name !== 'notes', behavior: 'record', check, identities: [], timeToLiveMs: null };
}

function noNumberAtB(body: EventBody): ReturnType<PayloadCheck> {
  return typeof body['b'] === 'number' ? [{ pointer: '/b', keyword: 'type', message: 'no number' }] : null;
}
