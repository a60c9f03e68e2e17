// What may be added to live definitions, and what is a change.
import { describe, expect, it } from 'vitest';
import { extendsPlan } from '../../../src/aggregate/plan.ts';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import type { DefinitionsDocument } from '../../../src/definitions/definitions_document.ts';
import { extendDefinitions, type Extension } from '../../../src/definitions/extend_definitions.ts';
import { parseDefinitionsDocument } from '../../../src/definitions/load_definitions.ts';
import { beyondTheLog } from '../../../src/definitions/log_reach.ts';
import { attribute, load, withAttributes } from './definitions_files.ts';

const A = attribute('a', 'function: count, window: { sliding: 30d }');
const B = attribute('b', 'function: sum, value: event.price, window: lifetime');
const C = attribute('c', 'function: expression, expression: a > 1, audience: true');
const live = load(withAttributes(A, B));

function extended(extension: Extension): { document: DefinitionsDocument; added: readonly string[] } {
  if (extension.kind !== 'extended') throw new Error(JSON.stringify(extension));
  return extension;
}
const changed = (text: string, before = live): readonly string[] => {
  const extension = extendDefinitions(before, load(text));
  return extension.kind === 'changed' ? extension.lines : [extension.kind];
};

describe('the same', () => {
  it.each([
    ['in another order', withAttributes(B, A)],
    [
      'with other units and defaults written out',
      withAttributes(A.replace('30d', '720h').replace('function', 'audience: false, function'), B),
    ],
    [
      'whatever revisions it says',
      withAttributes(A.replace('function', 'revision: 7, function'), B).replace('profile: true', 'profile: true, revision: 3'),
    ],
  ])('%s', (_name, text) => expect(extendDefinitions(live, load(text))).toEqual({ kind: 'same' }));
});

describe('additions', () => {
  it('get the next revision; what was there keeps its own, and its place in the plan', () => {
    const second = extended(extendDefinitions(live, load(withAttributes(A, B, C))));
    expect(second.added).toEqual(['computed attribute c']);
    expect(second.document.data.computedAttributes.get('c')?.revision).toBe(2);
    const d = attribute('A0', 'function: count, window: { sliding: 30d }');
    const third = extended(extendDefinitions(second.document, load(withAttributes(d, C, B, A))));
    expect(third.added).toEqual(['computed attribute A0']);
    expect([...third.document.data.computedAttributes].map(([name, { revision }]) => [name, revision])).toEqual([
      ['A0', 3],
      ['a', 1],
      ['b', 1],
      ['c', 2],
    ]);
    expect(compilePlan(third.document).attributes.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'A0']);
    expect(parseDefinitionsDocument(third.document.canonical)).toEqual(third.document);
    expect(extendDefinitions(third.document, load(withAttributes(d, C, B, A)))).toEqual({ kind: 'same' });
    // what is kept can be printed, edited and applied again
    expect(extendDefinitions(third.document, parseDefinitionsDocument(third.document.canonical))).toEqual({ kind: 'same' });
  });

  it('of datasets, schemas and namespaces are told by name', () => {
    const text = withAttributes(A, B)
      .replace('{ customerId:', '{ email: { type: person, priority: 2 }, customerId:')
      .replace(
        '# feeds',
        '  refund: { class: individual, behavior: event, jsonSchema: { type: object, properties: { why: { type: string } } } }',
      )
      .replace('datasets: {', 'datasets: { refunds: { schema: refund, profile: true },');
    const { document, added } = extended(extendDefinitions(live, load(text)));
    expect(added).toEqual(['namespace email', 'schema refund', 'dataset refunds']);
    expect([...document.data.datasets].map(([name, { revision }]) => [name, revision])).toEqual([
      ['orders', 1],
      ['refunds', 2],
    ]);
  });

  it('a description may change: nothing that is computed does', () => {
    const { document, added } = extended(
      extendDefinitions(live, load(withAttributes(A.replace('function', 'description: d, function'), B))),
    );
    expect(added).toEqual(['description of a']);
    expect(document.data.computedAttributes.get('a')).toMatchObject({ description: 'd', revision: 1 });
  });
});

describe('changes', () => {
  it.each([
    [
      'another window',
      withAttributes(A.replace('30d', '60d'), B),
      ['computedAttributes.a.window.sliding: live "30d", file "60d"'],
    ],
    [
      'a missing attribute',
      withAttributes(B, C.replace('a > 1', 'b > 1.0')),
      [`computedAttributes.a: live {"class":"individual","function":"count","window":{"sliding":"30d"}}, file absent`],
    ],
    ['an audience', withAttributes(A, B.replace('sum', 'max')), ['computedAttributes.b.function: live "sum", file "max"']],
    [
      'a namespace',
      withAttributes(A, B).replace('priority: 1', 'priority: 2'),
      ['namespaces.customerId.priority: live 1, file 2'],
    ],
    [
      'a dataset',
      withAttributes(A, B).replace('profile: true', 'profile: false'),
      ['datasets.orders.profile: live true, file false'],
    ],
    [
      'a schema',
      withAttributes(A, B).replace('gift: { type: boolean }', 'gift: { type: string }'),
      ['schemas.purchase.jsonSchema.properties.gift.type: live "boolean", file "string"'],
    ],
    [
      'several, with an addition',
      withAttributes(A.replace('30d', '60d'), C).replace('priority: 1', 'priority: 2'),
      [
        'computedAttributes.a.window.sliding: live "30d", file "60d"',
        'computedAttributes.b: live {"class":"individual","function":"sum","value":"event.price","window":"lifetime"}, file absent',
        'namespaces.customerId.priority: live 1, file 2',
      ],
    ],
  ])('%s', (_name, text, lines) => expect(changed(text)).toEqual(lines));

  const schema = (json: string): string =>
    withAttributes(A, B).replace('# feeds', `  other: { class: individual, behavior: event, jsonSchema: ${json} }`);
  it.each([
    [
      'opens what was closed',
      '{ type: object, properties: { order: { type: object } } }',
      ['type of event.order: live object, file anything: what is added must leave the types that are live'],
    ],
    [
      'says less of a path',
      '{ type: object, properties: { order: { type: object, properties: { total: {} } } } }',
      ['type of event.order.total: live double, file anything: what is added must leave the types that are live'],
    ],
    [
      'has a list of another kind',
      '{ type: object, properties: { tags: { type: array, items: { type: number } } } }',
      ['type of event.tags: live a list of string, file a list of anything: what is added must leave the types that are live'],
    ],
    [
      'opens everything',
      '{ type: object }',
      ['type of event: live object, file anything: what is added must leave the types that are live'],
    ],
    [
      'only adds paths',
      '{ type: object, properties: { order: { type: object, properties: { tax: { type: number } } }, new: { type: string } } }',
      ['extended'],
    ],
  ])('a new schema that %s', (_name, json, lines) => expect(changed(schema(json))).toEqual(lines));
});

describe('a log that is shorter than a window', () => {
  const DAY = 86_400_000;
  const document = load(
    withAttributes(
      attribute('days', 'function: count, window: { sliding: 30d }'),
      attribute('ever', 'function: count, window: lifetime'),
      attribute('month', 'function: count, window: { calendar: month }'),
      attribute('weeks', 'function: count, window: { calendar: week, count: 5 }'),
    ),
  );
  it.each([
    [0, []],
    [35 * DAY, []],
    [31 * DAY, ['log.maxAge is 31d, but weeks looks back 5 weeks: keep the log at least as long']],
    [
      30 * DAY,
      [
        'log.maxAge is 30d, but month looks back 1 month: keep the log at least as long',
        'log.maxAge is 30d, but weeks looks back 5 weeks: keep the log at least as long',
      ],
    ],
  ])('%d ms', (maxAgeMs, lines) => expect(beyondTheLog(document, maxAgeMs)).toEqual(lines));
});

describe('of the profile model', () => {
  const RECORDS = `  customer:
    class: individual
    behavior: record
    jsonSchema: { type: object, properties: { name: { type: string } } }
# feeds`;
  const withRecords = (text: string): string =>
    text.replace('# feeds', RECORDS).replace('datasets: {', 'datasets: { crm: { schema: customer, profile: true },');
  const policies = (...lines: readonly string[]): string => `mergePolicies:\n${lines.map((line) => `  ${line}\n`).join('')}`;
  const DEFAULT = 'default: { class: individual, attributes: timestampOrdered, default: true }';
  const CRM = 'crmFirst: { class: individual, attributes: { dataSetPrecedence: [crm] } }';
  const base = withRecords(withAttributes(A, B));
  const before = load(base);
  const addedBy = (text: string, live = before): readonly string[] => {
    const { document, added } = extended(extendDefinitions(live, load(text)));
    // every addition can be put in force where the live one is
    expect(extendsPlan(compilePlan(live), compilePlan(document))).toBe(true);
    expect(parseDefinitionsDocument(document.canonical)).toEqual(document);
    expect(extendDefinitions(document, load(text))).toEqual({ kind: 'same' });
    return added;
  };

  it('the first records may be added, also ones that leave everything open', () => {
    expect(addedBy(base, live)).toEqual(['schema customer', 'dataset crm']);
    expect(addedBy(base.replace('{ type: object, properties: { name: { type: string } } }', '{ type: object }'), live)).toEqual([
      'schema customer',
      'dataset crm',
    ]);
  });

  it('fields may be added to a live schema', () => {
    expect(addedBy(base.replace('note: { type: string }', 'note: { type: string }, tax: { type: number }'))).toEqual([
      'field order.tax of schema purchase',
    ]);
    expect(
      addedBy(
        base.replace(
          'name: { type: string }',
          'name: { type: string }, address: { type: object, properties: { city: { type: string } } }',
        ),
      ),
    ).toEqual(['field address of schema customer']);
  });

  it.each([
    [
      'takes one away',
      'note: { type: string }',
      '',
      'schemas.purchase.jsonSchema.properties.order.properties.note: live {"type":"string"}, file absent',
    ],
    [
      'demands more of one',
      'note: { type: string }',
      'note: { type: string, maxLength: 3 }',
      'schemas.purchase.jsonSchema.properties.order.properties.note.maxLength: live absent, file 3',
    ],
    [
      'demands a new one',
      'note: { type: string } }',
      'note: { type: string }, tax: {} }, required: [tax]',
      'schemas.purchase.jsonSchema.properties.order.properties.tax: live absent, file {}',
    ],
    [
      'closes it',
      '      type: object\n',
      '      type: object\n      additionalProperties: false\n',
      'schemas.purchase.jsonSchema.additionalProperties: live absent, file false',
    ],
    [
      'says more of an open level',
      'free: {}',
      'free: { properties: { a: { type: number } } }',
      'type of event.free: live anything, file object: what is added must leave the types that are live',
    ],
    ['is for records now', 'behavior: event', 'behavior: record', 'schemas.purchase.behavior: live "event", file "record"'],
    [
      'has other identities',
      'jsonSchema: { type: object, properties: { name',
      'identities: [{ path: /name, namespace: customerId }]\n    jsonSchema: { type: object, properties: { name',
      'schemas.customer.identities: live absent, file [{"namespace":"customerId","path":"/name"}]',
    ],
  ])('a live schema is changed when the file %s', (_name, good, wrong, line) => {
    expect(base).toContain(good);
    expect(changed(base.replace(good, wrong), before)).toContain(line);
  });

  it('a time-to-live may come, change and go', () => {
    const timed = base.replace(
      'orders: { schema: purchase, profile: true',
      'orders: { schema: purchase, profile: true, timeToLive: 30d',
    );
    expect(addedBy(timed)).toEqual(['time-to-live of orders']);
    expect(addedBy(timed.replace('30d', '60d'), load(timed))).toEqual(['time-to-live of orders']);
    expect(addedBy(base, load(timed))).toEqual(['time-to-live of orders']);
  });

  it('policies that are not the default may be added', () => {
    expect(addedBy(base + policies(DEFAULT, CRM))).toEqual(['merge policy crmFirst', 'merge policy default']);
    expect(addedBy(base + policies(DEFAULT, CRM), load(base + policies(DEFAULT)))).toEqual(['merge policy crmFirst']);
  });

  it.each([
    [
      'another default',
      policies(DEFAULT.replace('default:', 'newest:')),
      [/^default merge policy: live default .*, file newest /],
    ],
    [
      'a default that merges otherwise',
      policies(DEFAULT.replace('timestampOrdered', '{ dataSetPrecedence: [crm] }')),
      [/^default merge policy: live default .*timestampOrdered.*, file default .*dataSetPrecedence/],
    ],
  ])('%s is a change', (_name, section, lines) =>
    expect(changed(base + section, before)).toEqual(lines.map((line) => expect.stringMatching(line) as string)),
  );

  it.each([
    ['one that went', policies(DEFAULT), [/^mergePolicies.crmFirst: live .*, file absent/]],
    ['all that went', '', [/^mergePolicies: live .*, file absent/]],
    [
      'one that merges otherwise',
      policies(DEFAULT, CRM.replace('{ dataSetPrecedence: [crm] }', 'timestampOrdered')),
      [/^mergePolicies.crmFirst.attributes: /],
    ],
    [
      'another default among them',
      policies(DEFAULT.replace(', default: true', ''), CRM.replace(' }$', '').replace(/ \}$/, ', default: true }')),
      [/^mergePolicies.crmFirst.default: live absent, file true/, /^mergePolicies.default.default: live true, file absent/],
    ],
  ])('%s is a change', (_name, section, lines) =>
    expect(changed(base + section, load(base + policies(DEFAULT, CRM)))).toEqual(
      lines.map((line) => expect.stringMatching(line) as string),
    ),
  );
});
