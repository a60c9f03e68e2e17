// Records, datasets, merge policies and identities in a definitions file: the rules, the canonical text, what the plan makes of them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { definitionsWarnings } from '../../../src/definitions/definitions_warnings.ts';
import { loadDefinitionsFile, parseDefinitionsDocument } from '../../../src/definitions/load_definitions.ts';
import { beyondTheLog, shownBeyondTheLog } from '../../../src/definitions/log_reach.ts';
import { unionSchema } from '../../../src/definitions/union_schema.ts';
import type { JsonObject } from '../../../src/record/json.ts';
import { load, mistakesOf, writeFiles } from './definitions_files.ts';

const DAY = 86_400_000;
const MODEL = `version: 1
namespaces: { customerId: { type: person, priority: 1 }, email: { type: person, priority: 2 } }
schemas:
  purchase:
    class: individual
    behavior: event
    jsonSchema: { type: object, properties: { price: { type: number } } }
  customer:
    class: individual
    behavior: record
    jsonSchema:
      type: object
      properties:
        person: { type: object, properties: { name: { type: string }, age: { type: integer } } }
        personalEmail: { type: object, properties: { address: { type: string } } }
        tags: { type: array, items: { type: string } }
        more: {}
    identities: [{ path: /personalEmail/address, namespace: email }]
datasets:
  orders: { schema: purchase, profile: true, timeToLive: 400d }
  crm: { schema: customer, profile: true }
  loyalty: { schema: customer, profile: true }
  trial: { schema: customer, profile: false }
mergePolicies:
  newest: { class: individual, attributes: timestampOrdered, stitching: none, default: true }
  crmFirst: { class: individual, attributes: { dataSetPrecedence: [crm, loyalty] }, stitching: none }
`;
const changed = (...pairs: readonly (readonly [string, string])[]): string[] =>
  mistakesOf(() => {
    let text = MODEL;
    for (const [good, wrong] of pairs) {
      expect(text).toContain(good);
      text = text.replace(good, wrong);
    }
    load(text);
  });

it('is good as it stands, and with defaults left out', () => {
  expect(changed()).toEqual([]);
  expect(changed(['attributes: timestampOrdered, stitching: none, ', ''])).toEqual([]);
});

describe('a mistake in merge policies', () => {
  it.each<[string, string, string, readonly string[]]>([
    [
      'a wrong word',
      'attributes: timestampOrdered',
      'attributes: timestampOrderd',
      [
        `25:44 unsupported value 'timestampOrderd' of 'attributes' (did you mean 'timestampOrdered'?); supported: timestampOrdered, { dataSetPrecedence: [dataset, …] }`,
      ],
    ],
    [
      'a wrong key',
      '{ dataSetPrecedence:',
      '{ datasetPrecedence:',
      [
        `26:46 unsupported value {"datasetPrecedence":["crm","loyalty"]} of 'attributes' (did you mean 'dataSetPrecedence'?); supported: timestampOrdered, { dataSetPrecedence: [dataset, …] }`,
      ],
    ],
    [
      'a key too many',
      '[crm, loyalty] }',
      '[crm, loyalty], order: 1 }',
      [`26:83 unknown key 'order'; known here: dataSetPrecedence`],
    ],
    ['no list', '[crm, loyalty]', 'crm', [`26:67 'dataSetPrecedence' must be a list, not text`]],
    ['an empty list', '[crm, loyalty]', '[]', [`26:67 'dataSetPrecedence' must not be empty: datasets not listed take no part`]],
    ['a dataset twice', '[crm, loyalty]', '[crm, crm]', [`26:73 'crm' stands in 'dataSetPrecedence' twice`]],
    [
      'an unknown dataset',
      '[crm, loyalty]',
      '[crm, loyalti]',
      [`26:73 unknown dataset 'loyalti' (did you mean 'loyalty'?); defined: orders, crm, loyalty, trial`],
    ],
    [
      'a dataset of events',
      '[crm, loyalty]',
      '[crm, orders]',
      [`26:73 'orders' is a dataset of events; a merge policy chooses among records`],
    ],
    ['a dataset without profile', '[crm, loyalty]', '[trial]', [`26:68 'trial' has 'profile: false': nothing of it is merged`]],
    ['a number', '[crm, loyalty]', '[3]', [`26:68 'dataSetPrecedence' lists names of datasets, not a number`]],
    [
      'no default',
      ', default: true',
      '',
      [`25:3 no merge policy of class individual is the default: give one of them 'default: true'`],
    ],
    [
      'two defaults',
      '[crm, loyalty] }, stitching: none }',
      '[crm, loyalty] }, stitching: none, default: true }',
      [`26:102 'crmFirst' is a second default of class individual; 'newest' is one`],
    ],
    [
      'another class',
      '  crmFirst: { class: individual',
      '  crmFirst: { class: account',
      [`26:22 unsupported value 'account' of 'class'; supported: individual`],
    ],
    [
      'another stitching',
      '[crm, loyalty] }, stitching: none',
      '[crm, loyalty] }, stitching: pdg',
      [`26:96 unsupported value 'pdg' of 'stitching'; supported: none, graph`],
    ],
    [
      'an unknown key',
      ', default: true',
      ', defualt: true',
      [
        `25:3 no merge policy of class individual is the default: give one of them 'default: true'`,
        `25:79 unknown key 'defualt' (did you mean 'default'?); known here: class, attributes, stitching, default`,
      ],
    ],
  ])('%s', (_name, good, wrong, expected) => expect(changed([good, wrong])).toEqual(expected));

  it('a sixth of a class', () => {
    const more = [1, 2, 3, 4].map((i) => `  p${i}: { class: individual, attributes: timestampOrdered }\n`).join('');
    expect(changed(['mergePolicies:\n', `mergePolicies:\n${more}`])).toEqual([
      '30:3 more than 5 merge policies of class individual (6)',
    ]);
  });
});

describe('a mistake in datasets and identities', () => {
  it.each<[string, string, string, readonly string[]]>([
    [
      'a time-to-live without a unit',
      '400d',
      '400',
      [`20:58 'timeToLive' must be a duration with a unit such as 400d, not a number`],
    ],
    [
      'one that is none',
      '400d',
      'long',
      [`20:58 'long' is not a duration; write a number and a unit: ms, s, m, h, d or w, e.g. 30d`],
    ],
    ['one that is too short', '400d', '10ms', [`20:58 'timeToLive' must be between 1s and 36500d; '10ms' is not`]],
    [
      'one for records',
      'crm: { schema: customer, profile: true',
      'crm: { schema: customer, profile: true, timeToLive: 1d',
      [`21:43 'timeToLive' is for datasets of events: 'crm' has records, which do not age`],
    ],
    [
      'no pointer',
      '/personalEmail/address',
      'personalEmail.address',
      [`18:26 'personalEmail.address' is no JSON pointer to a field: write it as /person/id`],
    ],
    [
      'a pointer to nothing',
      '/personalEmail/address',
      '/personalEmail/adress',
      [`18:26 schema 'customer' declares no '/personalEmail/adress' (did you mean 'address'?)`],
    ],
    [
      'a pointer to a number',
      '/personalEmail/address',
      '/person/age',
      [`18:26 '/person/age' is double in schema 'customer'; an id is a string`],
    ],
    [
      'a pointer to an object',
      '/personalEmail/address',
      '/personalEmail',
      [`18:26 '/personalEmail' is object in schema 'customer'; an id is a string`],
    ],
    [
      'a pointer into the identityMap',
      '/personalEmail/address',
      '/identityMap/email',
      [`18:26 identityMap is looked at anyway; a path names another field`],
    ],
    [
      'an unknown namespace',
      'namespace: email }',
      'namespace: mail }',
      [`18:61 unknown namespace 'mail' (did you mean 'email'?); defined: customerId, email`],
    ],
    [
      'the same path twice',
      'namespace: email }]',
      'namespace: email }, { path: /personalEmail/address, namespace: customerId }]',
      [`18:78 '/personalEmail/address' stands here twice`],
    ],
    [
      'a key too many',
      'namespace: email }',
      'namespace: email, primary: true }',
      [`18:68 unknown key 'primary'; known here: class, behavior, jsonSchema, identities`],
    ],
  ])('%s', (_name, good, wrong, expected) => expect(changed([good, wrong])).toEqual(expected));

  it('may point where the schema is open', () => expect(changed(['/personalEmail/address', '/more/of/it'])).toEqual([]));

  it('all of them at once', () => {
    const found = changed(
      ['400d', 'x'],
      ['/personalEmail/address', 'x'],
      ['[crm, loyalty]', '[x]'],
      ['behavior: event', 'behavior: evnt'],
      ['age: { type: integer', 'age: { type: int'],
    );
    expect(found.map((line) => line.split(' ')[0])).toEqual(['6:15', '14:78', '18:26', '20:58', '26:68']);
  });
});

it('types of one path agree over events and records, whatever a third leaves open', () => {
  const open = `  anything: { class: individual, behavior: event, jsonSchema: { type: object } }\n`;
  const found = changed(
    ['{ price: { type: number } }', '{ price: { type: number }, person: { type: string } }'],
    ['  customer:\n', `${open}  customer:\n`],
  );
  expect(found.map((line) => line.replace(/ at \S*\//, ' at '))).toEqual([
    `7:72 'person' is string in schema 'purchase' but object in schema 'customer' at definitions.yaml:15:9; one path has one type`,
  ]);
});

describe('the canonical text', () => {
  it('comes back as it was, whatever the order in the file', () => {
    const document = load(MODEL);
    expect(parseDefinitionsDocument(document.canonical)).toEqual(document);
    const other = MODEL.replace(/mergePolicies:\n(.*\n)(.*\n)/, 'mergePolicies:\n$2$1')
      .replace('400d', '9600h')
      .replace(', stitching: none }\n', ' }\n');
    expect(load(other).hash).toBe(document.hash);
  });

  it('does not say what there is not: documents of before keep their hash', () => {
    const text = MODEL.replace(/mergePolicies:\n.*\n.*\n/, '')
      .replace(/ {4}identities.*\n/, '')
      .replace(', timeToLive: 400d', '');
    const { canonical } = load(text);
    expect(canonical).not.toMatch(/mergePolicies|identities|timeToLive/);
    expect(canonical).toContain('"datasets":{"crm":{"profile":true,"schema":"customer"}');
  });
});

describe('the plan', () => {
  const plan = compilePlan(load(MODEL));
  it('has a rule for each dataset', () => {
    const rules = plan.admission.datasets;
    expect(plan.datasets).toEqual(['crm', 'loyalty', 'orders', 'trial']);
    expect(rules.get('orders')).toMatchObject({ index: 2, behavior: 'event', identities: [], timeToLiveMs: 400 * DAY });
    expect(rules.get('crm')).toMatchObject({
      index: 0,
      profile: true,
      behavior: 'record',
      identities: [{ path: ['personalEmail', 'address'], namespace: 'email' }],
      timeToLiveMs: null,
    });
    expect(rules.get('crm')!.check!({ person: { age: 'x' } })).toEqual([
      { pointer: '/person/age', keyword: 'type', message: 'must be integer' },
    ]);
  });

  it('has the policies by name, and the default one', () => {
    expect(plan.policies).toEqual([
      { name: 'crmFirst', isDefault: false, stitching: 'none', order: [0, 1] },
      { name: 'newest', isDefault: true, stitching: 'none', order: null },
    ]);
    expect(plan.policy).toBe(plan.policies[1]);
    const without = compilePlan(load(MODEL.replace(/mergePolicies:\n.*\n.*\n/, '')));
    expect(without.policies).toEqual([{ name: 'default', isDefault: true, stitching: 'none', order: null }]);
  });
});

describe('warnings', () => {
  it('one of stitching, whatever the number of policies', () => {
    expect(definitionsWarnings(load(MODEL))).toEqual([]);
    expect(definitionsWarnings(load(MODEL.replaceAll('stitching: none', 'stitching: graph')))).toEqual([
      `stitching 'graph' of merge policies crmFirst, newest: this release has no identity graph; reads follow only the identity asked for, and say "stitching": "none"`,
    ]);
  });

  it('of a time-to-live that is longer than the log is kept; setup refuses only windows', () => {
    const document = load(MODEL);
    expect(shownBeyondTheLog(document, 30 * DAY)).toEqual([
      'log.maxAge is 30d, but events of orders have a time-to-live of 400d: look-ups show them only as long as the log has them',
    ]);
    expect([shownBeyondTheLog(document, 400 * DAY), shownBeyondTheLog(document, 0), beyondTheLog(document, 30 * DAY)]).toEqual([
      [],
      [],
      [],
    ]);
  });
});

describe('an expression over the profile', () => {
  const withExpression = (text: string): string =>
    `${MODEL}computedAttributes:\n  n: { class: individual, function: count, window: lifetime }\n  x: { class: individual, function: expression, expression: ${JSON.stringify(text)} }\n`;
  const of = (text: string, record: JsonObject = {}): unknown => {
    const { expression } = compilePlan(load(withExpression(text))).attributes.find(({ name }) => name === 'x')!;
    return expression!.evaluate({ valueOf: () => 3, identity: () => ({ namespace: 'email', id: 'e-1' }), record: () => record });
  };
  const readsRecord = (text: string): boolean =>
    compilePlan(load(withExpression(text))).attributes.find(({ name }) => name === 'x')!.expression!.readsRecord;

  it.each<[string, JsonObject, unknown]>([
    ['profile.person.name', { person: { name: 'Ada' } }, 'Ada'],
    ['profile.person.name', {}, undefined],
    ['has(profile.person.name)', { person: { name: 'Ada' } }, true],
    ['has(profile.person.name)', { person: {} }, false],
    ['profile.person.age > 30.0 && n == 3', { person: { age: 36 } }, true],
    [`'a' in profile.tags`, { tags: ['a'] }, true],
    [`profile.more.constructor.x == 'y'`, { more: { constructor: { x: 'y' } } }, true],
    [
      `profile.person.name + '@' + profile.namespace + ':' + profile.id`,
      { person: { name: 'Ada', constructor: 1 } },
      'Ada@email:e-1',
    ],
    ['profile.person.age + 1.0', { person: { age: 'old' } }, undefined],
  ])('%s of %j', (text, record, expected) => expect(of(text, record)).toEqual(expected));

  it('says whether it reads the record', () => {
    expect(readsRecord('profile.person.name')).toBe(true);
    expect(readsRecord('has(profile.more.x) || n > 1')).toBe(true);
    expect(readsRecord('profile.id')).toBe(false);
    expect(readsRecord('n + 1')).toBe(false);
  });

  it('the identity wins over fields of its name', () => {
    const text = withExpression('profile.id').replace('        more: {}\n', '        more: {}\n        id: { type: number }\n');
    const { expression } = compilePlan(load(text)).attributes.find(({ name }) => name === 'x')!;
    expect(expression!.readsRecord).toBe(false);
    expect(
      expression!.evaluate({ valueOf: () => 3, identity: () => ({ namespace: 'n', id: 'i' }), record: () => ({ id: 7 }) }),
    ).toBe('i');
  });

  it.each([
    [
      'profile.persn.name',
      `the profile has no 'persn' here (did you mean 'person'?); known here: namespace, id, person, personalEmail, tags, more`,
    ],
    ['profile.person.nme', `no schema of records declares 'profile.person.nme' (did you mean 'name'?)`],
    ['has(profile.person.nme)', `no schema of records declares 'profile.person.nme' (did you mean 'name'?)`],
    ['profile.price', `the profile has no 'price' here; known here: namespace, id, person, personalEmail, tags, more`],
    ['profile.person.name > 1.0', `no such overload: string > double`],
    ['profile.person', `an expression gives true or false, a number, a text or a list of them; this one is an object`],
    ['profile._id', `the profile has no '_id' here`],
  ])('%s is refused', (text, expected) => {
    const found = mistakesOf(() => load(withExpression(text)));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`expression of 'x': `);
    expect(found[0]).toContain(expected);
  });

  it('of records that leave everything open may read anything', () => {
    const open = withExpression('profile.a.b').replace(
      /jsonSchema:\n {6}type: object\n(?: {6,}.*\n)*/,
      'jsonSchema: { type: object }\n',
    );
    expect(mistakesOf(() => load(open))).toEqual([]);
  });
});

describe('the union schema', () => {
  it('has every field with its type, schemas and datasets', () => {
    expect(unionSchema(load(MODEL), 'individual')).toEqual({
      class: 'individual',
      fields: [
        { path: 'more', type: 'any', schemas: ['customer'], datasets: ['crm', 'loyalty'] },
        { path: 'person.age', type: 'integer', schemas: ['customer'], datasets: ['crm', 'loyalty'] },
        { path: 'person.name', type: 'string', schemas: ['customer'], datasets: ['crm', 'loyalty'] },
        { path: 'personalEmail.address', type: 'string', schemas: ['customer'], datasets: ['crm', 'loyalty'] },
        { path: 'price', type: 'number', schemas: ['purchase'], datasets: ['orders'] },
        { path: 'tags', type: 'array', schemas: ['customer'], datasets: ['crm', 'loyalty'] },
      ],
    });
    expect(unionSchema(load(MODEL), 'account')).toEqual({ class: 'account', fields: [] });
  });

  it('says where it is open, and who says less', () => {
    const text = MODEL.replace(
      '{ price: { type: number } }',
      '{ price: { type: integer }, "a.b": { type: object, additionalProperties: true, properties: { c: {} } }, person: { type: object, properties: { age: { type: number } } }, tags: {} }',
    );
    const fields = new Map(unionSchema(load(text), 'individual').fields.map((field) => [field.path, field]));
    expect(fields.get('["a.b"]')).toEqual({
      path: '["a.b"]',
      type: 'object',
      open: true,
      schemas: ['purchase'],
      datasets: ['orders'],
    });
    expect(fields.get('["a.b"].c')).toMatchObject({ type: 'any' });
    expect(fields.get('person.age')).toEqual({
      path: 'person.age',
      type: 'number',
      schemas: ['customer', 'purchase'],
      datasets: ['crm', 'loyalty', 'orders'],
    });
    expect(fields.get('tags')).toMatchObject({ type: 'any', schemas: ['customer', 'purchase'] });
    expect(fields.has('person')).toBe(false);
  });

  it('is the same from one file or many', () => {
    const [head, schemas, datasets, policies] = MODEL.split(/(?=^schemas|^datasets|^mergePolicies)/m) as [
      string,
      string,
      string,
      string,
    ];
    const folder = writeFiles({
      'z.yaml': head,
      'b.yaml': `version: 1\n${schemas}`,
      'a.yaml': `version: 1\n${datasets}`,
      'c.yaml': `version: 1\n${policies}`,
    });
    const document = loadDefinitionsFile(folder);
    expect(document.hash).toBe(load(MODEL).hash);
    expect(unionSchema(document, 'individual')).toEqual(unionSchema(load(MODEL), 'individual'));
  });
});

it('config/definitions.records.yaml is good, without a warning', () => {
  const document = load(readFileSync(join(import.meta.dirname, '../../../config/definitions.records.yaml'), 'utf8'));
  expect(definitionsWarnings(document)).toEqual([]);
  const { admission, policies, expressions } = compilePlan(document);
  expect([admission.datasets.size, policies.length, expressions.length]).toEqual([3, 2, 1]);
});
