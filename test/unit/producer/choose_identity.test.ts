// Which identity owns a message, and that no refusal names an id.
import { describe, expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import { chooseIdentity, type Naming } from '../../../src/producer/choose_identity.ts';

const SECRET = 'geheim';
const PRIORITIES = new Map([
  ['customerId', 1],
  ['email', 2],
  ['phone', 2],
]);

const DESCRIPTORS = [
  { path: ['personalEmail', 'address'], namespace: 'email' },
  { path: ['a/b', 'key'], namespace: 'customerId' },
  { path: ['token'], namespace: 'cookie' }, // not defined
];

/** `crm` has identities in its schema, `orders` has none. */
function naming(namespaces: ReadonlyMap<string, number>): Naming {
  return {
    namespaces,
    datasets: new Map([
      ['crm', { behavior: 'record', identities: DESCRIPTORS }],
      ['orders', { behavior: 'event', identities: [] }],
    ]),
  };
}

function of(identityMap: unknown, priorities: ReadonlyMap<string, number> = PRIORITIES): [string, string] {
  const { namespace, id } = chooseIdentity({ identityMap }, 'orders', naming(priorities));
  return [namespace, id];
}

function ofRecord(body: object): [string, string] {
  const { namespace, id } = chooseIdentity(body, 'crm', naming(PRIORITIES));
  return [namespace, id];
}

/** Code and kind; its text is checked for what must not be in it. */
function refusal(body: unknown, known: Naming | null = naming(PRIORITIES), dataset = 'orders'): [string, string] {
  try {
    chooseIdentity(body, dataset, known);
  } catch (error) {
    if (!(error instanceof VisageError)) throw error;
    expect(error.message).not.toContain(SECRET);
    expect(JSON.stringify(error.cause ?? '')).not.toContain(SECRET);
    return [error.code, error.kind];
  }
  throw new Error('it was expected to be refused');
}

describe('the choice', () => {
  const email = [{ id: 'a@b' }];
  test.each<[string, unknown, [string, string]]>([
    ['the only one', { email }, ['email', 'a@b']],
    ['the highest priority, last key', { email, customerId: [{ id: '7' }] }, ['customerId', '7']],
    ['the highest priority, first key', { customerId: [{ id: '7' }], email }, ['customerId', '7']],
    ['a tie by name', { phone: [{ id: '1' }], email }, ['email', 'a@b']],
    ['a tie by name, other order', { email, phone: [{ id: '1' }] }, ['email', 'a@b']],
    ['the same id twice', { customerId: [{ id: '7' }, { id: '7', primary: true }] }, ['customerId', '7']],
    ['two ids where it does not matter', { customerId: [{ id: '7' }], email: [{ id: 'x' }, { id: 'y' }] }, ['customerId', '7']],
    ['unknown ones beside a known one', { aaa: 'nonsense', email, zzz: [{ id: '1' }] }, ['email', 'a@b']],
    ['names of Object.prototype beside a known one', { constructor: [{ id: '1' }], toString: 1, email }, ['email', 'a@b']],
    ['an empty list above it', { customerId: [], email }, ['email', 'a@b']],
    ['an empty list beside it', { email: [], phone: [{ id: '1' }] }, ['phone', '1']],
    ['a blocked id above it', { customerId: [{ id: 'anonymous' }, { id: ' ' }, { id: '' }], email }, ['email', 'a@b']],
    ['a blocked id beside it', { email: [{ id: 'null' }, { id: 'a@b' }, { id: 'undefined' }] }, ['email', 'a@b']],
    ['ids are taken as they are', { email: [{ id: ' Ä ' }] }, ['email', ' Ä ']],
  ])('%s', (_name, map, expected) => {
    expect(of(map)).toEqual(expected);
  });

  test('names of Object.prototype are namespaces like others, when they are defined', () => {
    const priorities = new Map([
      ['constructor', 1],
      ['__proto__', 2],
    ]);
    expect(of(JSON.parse('{"__proto__":[{"id":"1"}],"constructor":[{"id":"2"}]}'), priorities)).toEqual(['constructor', '2']);
    expect(of(JSON.parse('{"__proto__":[{"id":"1"}]}'), priorities)).toEqual(['__proto__', '1']);
  });
});

describe('fields that the schema names', () => {
  const personalEmail = { address: 'a@b' };
  test.each<[string, object, [string, string]]>([
    ['alone', { personalEmail }, ['email', 'a@b']],
    [
      'beside an identityMap that ranks lower',
      { 'a/b': { key: '7' }, identityMap: { email: [{ id: 'x' }] } },
      ['customerId', '7'],
    ],
    [
      'beside an identityMap that ranks higher',
      { personalEmail, identityMap: { customerId: [{ id: '7' }] } },
      ['customerId', '7'],
    ],
    ['the same id in both', { personalEmail, identityMap: { email: [{ id: 'a@b' }] } }, ['email', 'a@b']],
    ['another id of a lower rank', { 'a/b': { key: '7' }, personalEmail }, ['customerId', '7']],
    ['blocked ones say nobody', { 'a/b': { key: 'invalid' }, personalEmail }, ['email', 'a@b']],
    ['what is no text says nobody', { 'a/b': { key: 7 }, personalEmail }, ['email', 'a@b']],
    ['an identityMap that is no map', { personalEmail, identityMap: 7 }, ['email', 'a@b']],
    ['namespaces that are not defined are none', { token: 'x', personalEmail }, ['email', 'a@b']],
  ])('%s', (_name, body, expected) => {
    expect(ofRecord(body)).toEqual(expected);
  });

  test('they are those of the dataset, and of no other', () => {
    expect(refusal({ personalEmail }, naming(PRIORITIES), 'orders')).toEqual(['no_identity', 'refuse']);
    expect(refusal({ personalEmail }, naming(PRIORITIES), 'constructor')).toEqual(['no_identity', 'refuse']);
  });

  test.each<[string, object, string]>([
    [
      'another id than the identityMap',
      { personalEmail: { address: SECRET }, identityMap: { email: [{ id: `${SECRET}2` }] } },
      'ambiguous_identity',
    ],
    ['nothing', {}, 'no_identity'],
    ['only blocked ids', { 'a/b': { key: 'null' }, identityMap: { email: [{ id: '' }] } }, 'no_identity'],
    ['an id with half of a surrogate pair', { personalEmail: { address: `${SECRET}\ud800` } }, 'bad_identity'],
    ['a field inside a text', { personalEmail: SECRET }, 'no_identity'],
    ['a field of the prototype', { constructor: SECRET }, 'no_identity'],
  ])('refused: %s', (_name, body, code) => {
    expect(refusal(body, naming(PRIORITIES), 'crm')).toEqual([code, 'refuse']);
  });

  test('who is refused hears where it was looked', () => {
    expect(() => chooseIdentity({}, 'crm', naming(PRIORITIES))).toThrow(/names \/personalEmail\/address \(email\), \/a\/b\/key/);
  });
});

describe('refused', () => {
  test.each<[string, unknown]>([
    ['null', null],
    ['a number', 7],
    ['a text', SECRET],
    ['a list', [{ identityMap: { email: [{ id: SECRET }] } }]],
    ['no map', { email: SECRET }],
    ['a map that is null', { identityMap: null }],
    ['a map that is a list', { identityMap: [{ id: SECRET }] }],
    ['a map that is a text', { identityMap: SECRET }],
    ['an empty map', { identityMap: {} }],
    ['a namespace without ids', { identityMap: { customerId: [] } }],
    ['namespaces without ids, one not defined', { identityMap: { customerId: [], cookie: [] } }],
    ['only ids that say nobody', { identityMap: { customerId: [{ id: '' }], email: [{ id: 'null' }] } }],
  ])('no identity: %s', (_name, body) => {
    expect(refusal(body)).toEqual(['no_identity', 'refuse']);
  });

  test.each<[string, unknown]>([
    ['one that is not defined', { cookie: [{ id: SECRET }] }],
    ['__proto__', JSON.parse(`{"__proto__":[{"id":"${SECRET}"}]}`)],
    ['constructor', { constructor: [{ id: SECRET }] }],
    ['beside a defined one without ids', { customerId: [], cookie: [{ id: SECRET }] }],
    ['another case', { Email: [{ id: SECRET }] }],
  ])('unknown namespace: %s', (_name, identityMap) => {
    expect(refusal({ identityMap })).toEqual(['unknown_namespace', 'refuse']);
  });

  test.each<[string, unknown]>([
    ['not a list', { id: SECRET }],
    ['a text', SECRET],
    ['null', null],
    ['a list of texts', [SECRET]],
    ['a list in a list', [[{ id: SECRET }]]],
    ['an id that is a number', [{ id: SECRET }, { id: 7 }]],
    ['an id that is missing', [{ Id: SECRET }]],
    ['an id with half of a surrogate pair', [{ id: `${SECRET}\ud800` }]],
  ])('bad identity: %s', (_name, list) => {
    expect(refusal({ identityMap: { customerId: list } })).toEqual(['bad_identity', 'refuse']);
  });

  test('two different ids of the namespace that would own the message', () => {
    expect(refusal({ identityMap: { customerId: [{ id: SECRET }, { id: `${SECRET}2` }] } })).toEqual([
      'ambiguous_identity',
      'refuse',
    ]);
  });

  test('a bad namespace of the highest priority is not passed over for a good one below it', () => {
    expect(refusal({ identityMap: { customerId: [{}], email: [{ id: SECRET }] } })).toEqual(['bad_identity', 'refuse']);
  });

  test('priorities that nobody knows: the caller has to help', () => {
    expect(refusal({ identityMap: { email: [{ id: SECRET }] } }, null)).toEqual(['no_priorities', 'usage']);
    expect(refusal({}, null)).toEqual(['no_priorities', 'usage']); // its schema may name a field
    expect(refusal(7, null)).toEqual(['no_identity', 'refuse']);
  });
});
