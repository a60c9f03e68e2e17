import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { differences } from '../../../src/definitions/differences.ts';
import { loadDefinitionsFile, parseDefinitionsDocument } from '../../../src/definitions/load_definitions.ts';
import { VisageError } from '../../../src/base/errors.ts';
import { BASE, attribute, load, mistakesOf, withAttributes, writeFiles } from './definitions_files.ts';

const example = join(import.meta.dirname, '../../../config/definitions.example.yaml');
const one = (rest: string): string[] => mistakesOf(() => load(withAttributes(attribute('a', rest))));

describe('a good file', () => {
  it('is the example, with eighteen attributes', () => {
    const { data } = loadDefinitionsFile(example);
    expect(data.computedAttributes.size).toBe(18);
    expect([...data.namespaces.keys()]).toEqual(['customerId', 'deviceId', 'email']);
  });

  it('may be JSON, also indented with tabs', () => {
    const json = JSON.stringify(JSON.parse(load(BASE).canonical), null, '\t');
    expect(load(json, 'definitions.json').hash).toBe(load(BASE).hash);
  });

  it('may be a folder of files', () => {
    const [head, tail] = [BASE.slice(0, BASE.indexOf('datasets')), BASE.slice(BASE.indexOf('datasets'))];
    const folder = writeFiles({ 'a.yaml': head, 'b.yml': `version: 1\n${tail}`, 'notes.txt': 'not read' });
    expect(loadDefinitionsFile(folder).hash).toBe(load(BASE).hash);
  });

  it('may name things `constructor`', () => {
    const document = load(withAttributes(attribute('constructor', 'function: count, window: lifetime')));
    expect(document.data.computedAttributes.get('constructor')?.function).toBe('count');
  });
});

describe('five mistakes', () => {
  it('are five lines with file, line and column', () => {
    const folder = writeFiles({
      'definitions.yaml': withAttributes(
        attribute('a', 'function: sum, value: event.prise, window: { sliding: 30d }'),
        attribute('b', 'function: averge, window: lifetime'),
        attribute('c', 'function: count, window: { sliding: 30 days }'),
        attribute('d', 'function: count, windw: lifetime, window: lifetime'),
        attribute('e', 'function: count, filter: event.price >, window: lifetime'),
      ),
    });
    const file = join(folder, 'definitions.yaml');
    let message = '';
    try {
      loadDefinitionsFile(file);
    } catch (error) {
      expect(error).toBeInstanceOf(VisageError);
      expect((error as VisageError).code).toBe('bad_definitions');
      expect((error as VisageError).kind).toBe('usage');
      message = (error as VisageError).message;
    }
    expect(message.split('\n')).toEqual([
      `${file}:20:55: value of 'a': no schema declares 'event.prise' (did you mean 'price'?)`,
      `${file}:21:37: unsupported value 'averge' of 'function' (did you mean 'average'?); supported: count, sum, min, max, average, mostRecent, earliest, list, countDistinct, exists, expression`,
      `${file}:22:63: '30 days' is not a duration; write a number and a unit: ms, s, m, h, d or w, e.g. 30d`,
      `${file}:23:44: unknown key 'windw' (did you mean 'window'?); known here: class, description, eventTypes, filter, value, function, window, limit, expression, audience, revision`,
      `${file}:24:65: filter of 'e': Unexpected token: EOF`,
    ]);
  });
});

describe('each kind of mistake', () => {
  it.each([
    ['syntax', `version: 1\nnamespaces: { a: [ }\n`, /2:\d+ not valid YAML/],
    ['a duplicate key', `${BASE}version: 1\n`, /19:1 the same key twice/],
    ['two documents', `${BASE}---\nversion: 1\n`, /more than one YAML document/],
    ['__proto__', `${BASE}__proto__: {}\n`, /19:1 the key '__proto__' is not allowed/],
    ['a list', `- 1\n`, /1:1 a definitions file must be a map/],
    ['an empty file', ``, /1:1 a definitions file must be a map with 'version: 1', not empty/],
    ['no version', BASE.slice(11), /1:1 'version: 1' is missing/],
    ['another version', BASE.replace('version: 1', 'version: 2'), /1:10 unsupported value 2 of 'version'/],
    ['a section of a later release', `${BASE}relationships: {}\n`, /19:1 unknown key 'relationships'; known here/],
    ['a misspelt section', `${BASE}computedAtributes: {}\n`, /did you mean 'computedAttributes'/],
    ['an alias bomb', `${BASE}computedAttributes: &a [*a]\n`, /./],
    [
      'a section that is a list',
      BASE.replace('datasets: {', 'datasets: [{').replace(/}\n$/, '}]\n'),
      /18:11 'datasets' must be a map, not a list/,
    ],
    [
      'an unknown schema',
      BASE.replace('schema: purchase', 'schema: purchse'),
      /18:31 unknown schema 'purchse' \(did you mean 'purchase'\?\)/,
    ],
    ['a reserved dataset', BASE.replace('{ orders', '{ _profile'), /18:13 '_profile' is reserved/],
    ['a dataset in upper case', BASE.replace('{ orders', '{ Orders'), /18:13 'Orders' cannot name a dataset/],
    ['a later key of datasets', BASE.replace('profile: true', 'profile: true, labels: []'), /unknown key 'labels'/],
    ['a missing key', BASE.replace(', profile: true', ''), /18:13 'profile' is missing; it must be true or false/],
    ['a wrong type', BASE.replace('profile: true', 'profile: 1'), /18:50 'profile' must be true or false, not a number/],
    [
      'an account schema',
      BASE.replace('class: individual', 'class: account'),
      /5:12 unsupported value 'account' of 'class'; supported: individual/,
    ],
    [
      'relationships of a schema',
      BASE.replace('behavior: event', 'behavior: event\n    relationships: []'),
      /7:5 unknown key 'relationships'; known here: class, behavior, jsonSchema, identities/,
    ],
    [
      'another behaviour',
      BASE.replace('behavior: event', 'behavior: records'),
      /6:15 unsupported value 'records' of 'behavior' \(did you mean 'record'\?\); supported: event, record/,
    ],
    ['an unknown JSON type', BASE.replace('type: boolean', 'type: bool'), /unknown type "bool" \(did you mean 'boolean'\?\)/],
    ['a number JSON lacks', BASE.replace('type: boolean', 'const: .inf'), /not a JSON value/],
    ['a priority of 0', BASE.replace('priority: 1', 'priority: 0'), /'priority' must be at least 1/],
    ['half a priority', BASE.replace('priority: 1', 'priority: 1.5'), /'priority' must be a whole number/],
    ['no namespaces', BASE.replace(/namespaces.*\n/, ''), /no namespaces are defined/],
  ])('%s', (_name, text, expected) => {
    const mistakes = mistakesOf(() => load(text));
    expect(mistakes.length).toBeGreaterThan(0);
    expect(mistakes.join('\n')).toMatch(expected);
  });

  it.each([
    ['count with a value', 'function: count, value: event.price, window: lifetime', /20:44 count takes no 'value'/],
    ['sum without a value', 'function: sum, window: lifetime', /'value' is missing: sum needs one/],
    [
      'sum of a text',
      'function: sum, value: event.channel, window: lifetime',
      /sum needs a number; this value is of type string/,
    ],
    ['min without a value', 'function: min, window: lifetime', /'value' is missing: min needs one/],
    [
      'max of a boolean',
      'function: max, value: event.gift, window: lifetime',
      /value of 'a': max needs a number or a timestamp; this value is of type bool/,
    ],
    [
      'min of a list',
      'function: min, value: event.tags, window: lifetime',
      /min needs a number or a timestamp; this value is of type list<string>/,
    ],
    [
      'min of an object',
      'function: min, value: event.order, window: lifetime',
      /min needs a number or a timestamp; this value is an object/,
    ],
    [
      'the latest object',
      'function: mostRecent, value: event.order, window: lifetime',
      /mostRecent needs .* this value is an object/,
    ],
    ['a filter that is a number', 'function: count, filter: event.price, window: lifetime', /a filter must be true or false/],
    ['no window', 'function: count', /'window' is missing/],
    ['a word as window', 'function: count, window: forever', /unsupported value 'forever' of 'window'/],
    ['an empty window', 'function: count, window: { sliding: 0s }', /a window must be between 1ms and 3650d/],
    ['eleven years', 'function: count, window: { sliding: 4015d }', /a window must be between/],
    ['no event types', 'function: count, eventTypes: [], window: lifetime', /'eventTypes' must not be empty/],
    [
      'an integer literal',
      'function: count, filter: event.price == 0, window: lifetime',
      /double == int; numbers of an event are doubles: write 0.0/,
    ],
    [
      'a text compared with a number',
      'function: count, filter: event.channel > 0.0, window: lifetime',
      /no such overload: string > double/,
    ],
    ['an unknown function', 'function: count, filter: foo(event.price), window: lifetime', /foo\(double\)/],
    [
      'an unknown variable',
      'function: count, filter: evnt.gift, window: lifetime',
      /Unknown variable: evnt; the only variable is 'event'/,
    ],
    ['a path on the wrong level', 'function: sum, value: event.total, window: lifetime', /did you mean 'event.order.total'/],
    [
      'has() of nothing',
      'function: count, filter: has(event.order.totl), window: lifetime',
      /20:\d+ .*no schema declares 'event.order.totl' \(did you mean 'total'\?\)/,
    ],
    ['matches()', `function: count, filter: "event.channel.matches('(a+)+b')", window: lifetime`, /matches\(\) is not supported/],
    [
      'matches() in a loop',
      `function: count, filter: "event.tags.exists(t, t.matches('a'))", window: lifetime`,
      /matches\(\) is not supported/,
    ],
    [
      'loops in loops',
      `function: count, filter: "event.tags.exists(t, event.tags.exists(u, u == t))", window: lifetime`,
      /inside another loop/,
    ],
    [
      'a time zone',
      `function: count, filter: "timestamp(event.timestamp).getHours('Europe/Paris') > 3", window: lifetime`,
      /time zone/,
    ],
    [
      'a local time',
      `function: count, filter: "timestamp(event.channel) > timestamp(event.timestamp)", window: lifetime`,
      /time zone/,
    ],
  ])('%s', (_name, rest, expected) => {
    const mistakes = one(rest);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(expected);
  });

  it('the same name in two files names both places', () => {
    const folder = writeFiles({
      'a.yaml': BASE,
      'b.yaml': `version: 1\ndatasets:\n  orders: { schema: purchase, profile: true }\n`,
    });
    const mistakes = mistakesOf(() => loadDefinitionsFile(folder));
    expect(mistakes).toEqual([`3:3 dataset 'orders' is already defined at ${join(folder, 'a.yaml')}:18:13`]);
  });

  it('two types for one path name both schemas', () => {
    const second = `  refund:\n    class: individual\n    behavior: event\n    jsonSchema: { type: object, properties: { price: { type: string } } }\ndatasets`;
    expect(mistakesOf(() => load(BASE.replace('datasets', second))).map((line) => line.replace(/ at \S*\//, ' at '))).toEqual([
      `21:47 'price' is string in schema 'refund' but double in schema 'purchase' at definitions.yaml:10:9; one path has one type`,
    ]);
  });

  it('the hundred-and-first attribute', () => {
    const lines = Array.from({ length: 101 }, (_, i) => attribute(`a${i}`, 'function: count, window: lifetime'));
    expect(mistakesOf(() => load(withAttributes(...lines)))).toEqual(['120:3 more than 100 computed attributes (101)']);
  });

  it('a path that cannot be read, a folder without files', () => {
    expect(() => loadDefinitionsFile('/nowhere/at/all.yaml')).toThrow(/cannot be read/);
    expect(() => loadDefinitionsFile(writeFiles({ 'a.txt': '' }))).toThrow(/no .yaml/);
  });

  it.each(['event.price', 'event.quantity', 'event.timestamp', 'event.order.note', 'event.free', 'size(event.tags)'])(
    'max takes %s',
    (value) => {
      expect(one(`function: max, value: ${value}, window: { sliding: 7d }`)).toEqual([]);
    },
  );

  it('an open level may be read freely', () => {
    expect(one('function: mostRecent, value: event.free.anything.at.all, window: lifetime')).toEqual([]);
    const open = withAttributes(attribute('a', 'function: sum, value: event.x.y, window: lifetime')).replace(
      'type: object\n',
      'type: object\n      additionalProperties: true\n',
    );
    expect(mistakesOf(() => load(open))).toEqual([]);
  });
});

describe('canonical text and hash', () => {
  const a = attribute('a', 'function: count, eventTypes: [y, x, y], window: { sliding: 30d }');
  const b = attribute('b', 'function: sum, value: event.price, window: lifetime');

  it('do not depend on order, on the unit of a duration, or on defaults written out', () => {
    const first = load(withAttributes(a, b));
    const second = load(
      withAttributes(b, a.replace('30d', '720h').replace('[y, x, y]', '[x, y]')).replace(
        'priority: 1 }',
        'unique: false, priority: 1 }',
      ),
    );
    expect(second.canonical).toBe(first.canonical);
    expect(second.hash).toBe(first.hash);
    expect(differences(first, second)).toEqual([]);
  });

  it('differ when the meaning does, or a description', () => {
    const plain = load(withAttributes(a));
    expect(load(withAttributes(a.replace('30d', '31d'))).hash).not.toBe(plain.hash);
    expect(load(withAttributes(a.replace('function', 'description: d, function'))).hash).not.toBe(plain.hash);
  });

  it('come back from the kept copy', () => {
    const document = load(withAttributes(a, b));
    expect(parseDefinitionsDocument(document.canonical)).toEqual(document);
    const later = document.canonical.replace('"count"', '"median"');
    expect(() => parseDefinitionsDocument(later)).toThrow(
      expect.objectContaining({ code: 'unreadable_definitions', kind: 'stop_worker' }),
    );
  });

  it('differences name the path and both values', () => {
    const live = load(withAttributes(a, b));
    const file = load(withAttributes(a.replace('30d', '60d')).replace('priority: 1', 'priority: 2'));
    expect(differences(live, file)).toEqual([
      'computedAttributes.a.window.sliding: live "30d", file "60d"',
      'computedAttributes.b: live {"class":"individual","function":"sum","value":"event.price","window":"lifetime"}, file absent',
      'namespaces.customerId.priority: live 1, file 2',
    ]);
  });
});
