import { describe, expect, test } from 'vitest';
import { MistakesError } from '../../../src/definitions/mistakes.ts';
import { RowRefusal } from '../../../src/ingest/evaluate.ts';
import type { FileRow } from '../../../src/ingest/file_row.ts';
import { checkColumns, checkUse, type MapUse } from '../../../src/ingest/check_map.ts';
import { loadIngestMap, parseIngestMap } from '../../../src/ingest/ingest_map.ts';
import { rowMapper } from '../../../src/ingest/map_row.ts';
import { payloadMapper } from '../../../src/ingest/payload_row.ts';
import type { RowRules } from '../../../src/ingest/row_message.ts';
import { VisageError } from '../../../src/base/errors.ts';

const RETAIL = `identity: { namespace: customerId, column: CustomerID, as: integer }
_id: [InvoiceNo, StockCode]
timestamp: { column: InvoiceDate, zone: UTC }
eventType: { const: commerce.purchases }
fields:
  line.total: row.Quantity * row.UnitPrice    # decimals
  line.country: row.Country
  line.units: number(row.Quantity)
  line.constructor: "'shop'"
`;
const HEADER = ['InvoiceNo', 'StockCode', 'Description', 'Quantity', 'InvoiceDate', 'UnitPrice', 'CustomerID', 'Country'];
const GOOD = ['536365', '85123A', 'HEART', '6', '2010-12-01 08:26:00', '2.55', '17850.0', 'United Kingdom'];

function mistakes(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof MistakesError) return error.message.split('\n');
    throw error;
  }
  return [];
}

const said = (text: string): string[] => mistakes(() => parseIngestMap('map.yaml', text));

function row(fields: readonly string[], text = ''): FileRow {
  return { number: 3, line: 4, text, fields, refused: '' };
}

const ADA = { namespace: 'customerId', id: 'ada' };
const EVENTS: RowRules = {
  behavior: 'event',
  operation: 'create',
  identityOf: (payload) => {
    if (payload['nobody'] === true) throw new VisageError('no_identity', 'nobody', { kind: 'refuse' });
    if (payload['broken'] === true) throw new Error('broken');
    return ADA;
  },
};
const RECORDS: RowRules = { ...EVENTS, behavior: 'record' };

function mapped(changes: Readonly<Record<string, string>> = {}, text = RETAIL, rules = EVENTS): unknown {
  const fields = HEADER.map((name, i) => changes[name] ?? GOOD[i]!);
  const event = rowMapper(parseIngestMap('map.yaml', text), HEADER, rules)(row(fields), 'hash-3');
  return event instanceof RowRefusal ? event.reason : { ...event, body: JSON.parse(event.body) as unknown };
}

describe('a row with a map', () => {
  test('becomes an event', () => {
    expect(mapped()).toEqual({
      identity: { namespace: 'customerId', id: '17850' },
      timestampMs: Date.UTC(2010, 11, 1, 8, 26),
      body: {
        _id: '536365-85123A',
        timestamp: '2010-12-01T08:26:00.000Z',
        eventType: 'commerce.purchases',
        line: { total: 15.3, country: 'United Kingdom', units: 6, constructor: 'shop' },
      },
      operation: null,
      lastUpdated: null,
    });
  });

  test.each([
    [{ CustomerID: '' }, 'column CustomerID is empty'],
    [{ CustomerID: ' ' }, 'column CustomerID is empty'],
    [{ CustomerID: '17850.5' }, 'column CustomerID is not a whole number'],
    [{ CustomerID: 'geheim' }, 'column CustomerID is not a number'],
    [{ StockCode: '' }, 'column StockCode is empty'],
    [{ InvoiceDate: '' }, 'column InvoiceDate is empty'],
    [{ InvoiceDate: 'geheim' }, 'column InvoiceDate is not a time'],
    [{ Quantity: '' }, 'column Quantity is empty'],
    [{ UnitPrice: 'geheim' }, 'column UnitPrice is not a number'],
    [{ Country: 'K\ufffdln' }, 'column Country is not valid UTF-8'],
  ])('%j is refused, and the value is not said', (changes, reason) => {
    expect(mapped(changes)).toBe(reason);
  });

  test('columns that are not used may hold anything', () => {
    expect(mapped({ Description: '\ufffd' })).toMatchObject({ identity: { id: '17850' } });
  });

  test('empty text is left out; an id keeps its form without `as`', () => {
    const text = RETAIL.replace(', as: integer', '').replace('{ const: commerce.purchases }', '{ column: Description }');
    const event = mapped({ Country: '', CustomerID: ' 017.0', Description: '' }, text) as { identity: unknown; body: object };
    expect(event.identity).toEqual({ namespace: 'customerId', id: ' 017.0' });
    expect(event.body).toEqual({
      _id: '536365-85123A',
      timestamp: '2010-12-01T08:26:00.000Z',
      line: { total: 15.3, units: 6, constructor: 'shop' },
    });
  });

  test('ids of several columns never meet: a-b,c and a,b-c', () => {
    const ids = [
      ['a-b', 'c'],
      ['a', 'b-c'],
      ['a%2Db', 'c'],
    ].map(
      ([InvoiceNo, StockCode]) =>
        (mapped({ InvoiceNo: InvoiceNo!, StockCode: StockCode! }) as { body: { _id: string } }).body._id,
    );
    expect(ids).toEqual(['a%2Db-c', 'a-b%2Dc', 'a%252Db-c']);
  });

  test('without _id: file hash and row', () => {
    expect(mapped({}, RETAIL.replace(/^_id.*\n/m, ''))).toMatchObject({ body: { _id: 'hash-3' } });
  });

  test('NDJSON: the columns are the keys of the line', () => {
    const map = rowMapper(parseIngestMap('map.yaml', RETAIL), null, EVENTS);
    const line = {
      InvoiceNo: 536365,
      StockCode: '85123A',
      Quantity: 6,
      InvoiceDate: '2010-12-01 08:26:00',
      UnitPrice: 2.55,
      CustomerID: 17850,
      Country: ['x'],
    };
    expect(map(row([], JSON.stringify(line)), 'x')).toMatchObject({
      identity: { id: '17850' },
      body: expect.stringContaining('"total":15.3') as string,
    });
    expect(map(row([], '{"CustomerID":null}'), 'x')).toEqual(new RowRefusal('column CustomerID is empty'));
    expect(map(row([], '[geheim]'), 'x')).toEqual(new RowRefusal('not JSON'));
  });
});

describe('a row with a map that is a record', () => {
  const CRM = `identity: { namespace: customerId, column: CustomerID }
fields: { country: row.Country, quantity: number(row.Quantity) }
`;
  const TIMED = `${CRM}operation: { column: Description }\nlastUpdated: { column: InvoiceDate, zone: Europe/London }\n`;

  test('needs no time; its operation is that of the command, of the map or of a column', () => {
    expect(mapped({}, CRM, RECORDS)).toEqual({
      identity: { namespace: 'customerId', id: '17850.0' },
      timestampMs: NaN,
      body: { _id: 'hash-3', country: 'United Kingdom', quantity: 6 },
      operation: 'create',
      lastUpdated: null,
    });
    const merging = { ...RECORDS, operation: 'merge' } as const;
    expect(mapped({}, CRM, merging)).toMatchObject({ operation: 'merge' });
    expect(mapped({}, `${CRM}operation: { const: delete }`, merging)).toMatchObject({ operation: 'delete' });
    expect(mapped({ Description: 'create' }, TIMED, merging)).toMatchObject({ operation: 'create' });
    expect(mapped({ Description: ' ' }, TIMED, merging)).toMatchObject({ operation: 'merge' });
  });

  test('lastUpdated in its zone; a time that is missing or none is refused', () => {
    const Description = 'merge';
    expect(mapped({ Description, InvoiceDate: '2026-07-01 10:00' }, TIMED, RECORDS)).toMatchObject({
      lastUpdated: '2026-07-01T09:00:00.000Z',
      timestampMs: NaN,
    });
    expect(mapped({ Description, InvoiceDate: '' }, TIMED, RECORDS)).toBe('column InvoiceDate is empty');
    expect(mapped({ Description, InvoiceDate: 'geheim' }, TIMED, RECORDS)).toBe('column InvoiceDate is not a time');
    expect(mapped({ Description: 'geheim' }, TIMED, RECORDS)).toBe('column Description is not create, merge or delete');
    expect(mapped({ Description: 'Merge' }, TIMED, RECORDS)).toBe('column Description is not create, merge or delete');
  });

  test('a delete takes the record away: its other columns may be empty', () => {
    expect(mapped({ Description: 'delete', Quantity: '' }, TIMED, RECORDS)).toMatchObject({ body: { _id: 'hash-3' } });
    expect(mapped({ Description: 'delete', Quantity: '' }, TIMED, RECORDS)).not.toHaveProperty('body.country');
    expect(mapped({ Description: 'merge', Quantity: '' }, TIMED, RECORDS)).toBe('column Quantity is empty');
  });

  test('a timestamp that the map names is a field of it, and moves no clock', () => {
    expect(mapped({}, `${CRM}timestamp: { column: InvoiceDate }\neventType: { const: x }`, RECORDS)).toMatchObject({
      body: { timestamp: '2010-12-01T08:26:00.000Z', eventType: 'x' },
      timestampMs: NaN,
    });
  });
});

describe('a line that is an event or a record', () => {
  const of = (text: string, rules = EVENTS): unknown => payloadMapper(rules)(row([], text), 'hash-3');
  const plain = { identity: ADA, operation: null, lastUpdated: null };

  test('goes out as it stands, digits and all', () => {
    const text = ' {"_id":"a","timestamp":"2026-03-10T09:00:00.000Z","n":1.10,"big":12345678901234567890} ';
    expect(of(text)).toEqual({ ...plain, body: text, timestampMs: Date.UTC(2026, 2, 10, 9) });
    expect(of(text, RECORDS)).toEqual({ ...plain, body: text, timestampMs: NaN, operation: 'create' });
    expect(of(text, { ...RECORDS, operation: 'delete' })).toMatchObject({ operation: 'delete' });
  });

  test('gets an _id when it has none', () => {
    expect(of(' { "n":1.10}')).toEqual({ ...plain, body: '{"_id":"hash-3", "n":1.10}', timestampMs: NaN });
    expect(of('{}')).toMatchObject({ body: '{"_id":"hash-3"}' });
    expect(of('{"a":{"_id":"x"}}')).toMatchObject({ body: '{"_id":"hash-3","a":{"_id":"x"}}' });
  });

  test.each(['geheim', '[1]', '"geheim"', 'null', '{"geheim"'])('%s is refused without being quoted', (text) => {
    expect((of(text) as RowRefusal).reason).toMatch(/^not (JSON|a JSON object)$/);
  });

  test('one that nobody owns is refused; what is not about the row is not', () => {
    expect(of('{"nobody":true}')).toEqual(new RowRefusal('nobody'));
    expect(() => of('{"broken":true}')).toThrow('broken');
  });
});

describe("the reference product's envelope", () => {
  const of = (text: string, rules = RECORDS): unknown => payloadMapper(rules)(row([], text), 'hash-3');
  const envelope = (operations: string, entity: string): string =>
    `{"header":{"schemaRef":{"id":"x"},"datasetId":"geheim"${operations === '' ? '' : `,"operations":${operations}`}},\n "body":{"xdmMeta":{"xdmEntity":{"not":"this"}},"xdmEntity": ${entity} }}`;

  test('is taken off; the payload is sent byte for byte', () => {
    const entity = '{ "_id":"a", "n":1.10,"big":12345678901234567890, "t":"}\\"{\\\\" }';
    expect(of(envelope('', entity))).toMatchObject({ identity: ADA, body: entity, operation: 'create' });
    expect(of(envelope('{"data":"merge","identity":"create","identityDatasetId":"x"}', entity))).toMatchObject({
      body: entity,
      operation: 'merge',
    });
    expect(of(envelope('{"data":"delete"}', '{"n":1.0}'))).toMatchObject({
      body: '{"_id":"hash-3","n":1.0}',
      operation: 'delete',
    });
    expect(of(envelope('{}', '{}'), { ...RECORDS, operation: 'merge' })).toMatchObject({ operation: 'merge' });
  });

  test('events too, but they can only be created', () => {
    const event = '{"_id":"a","timestamp":"2026-03-10T09:00:00.000Z"}';
    expect(of(envelope('{"data":"create"}', event), EVENTS)).toMatchObject({
      body: event,
      timestampMs: Date.UTC(2026, 2, 10, 9),
      operation: null,
    });
    expect(of(envelope('{"data":"merge"}', event), EVENTS)).toEqual(
      new RowRefusal('header.operations.data is merge, and events can only be created'),
    );
  });

  test.each([
    ['{"identity":"delete"}', 'header.operations.identity is not supported, but for create'],
    ['{"identity":1}', 'header.operations.identity is not supported, but for create'],
    ['{"data":"geheim"}', 'header.operations.data is not create, merge or delete'],
    ['{"data":["merge"]}', 'header.operations.data is not create, merge or delete'],
    ['[]', 'header.operations is not an object'],
  ])('operations %s are refused', (operations, reason) => {
    expect(of(envelope(operations, '{}'))).toEqual(new RowRefusal(reason));
  });

  test.each([
    '{"header":{},"body":{"xdmEntity":{}},"more":1}',
    '{"header":{},"body":{"xdmEntity":{},"more":1}}',
    '{"header":{},"body":{"xdmEntity":[]}}',
    '{"header":[],"body":{"xdmEntity":{}}}',
    '{"header":{},"body":{}}',
    '{"body":{"xdmEntity":{}}}',
    '{"header":{}}',
  ])('%s is a payload like any other', (text) => {
    expect(of(text)).toMatchObject({ body: `{"_id":"hash-3",${text.slice(1)}` });
  });

  test('a name that comes twice: the last counts, as where it is parsed', () => {
    const text = '{"header":{},"body":{"xdmEntity":{"a":1}},"body":{"xdmEntity":{"a":2},"xdmEntity":{"_id":"x","a":3.0}}}';
    expect(of(text)).toMatchObject({ body: '{"_id":"x","a":3.0}' });
  });
});

describe('mistakes in a map file', () => {
  test('every one at once, each at its place', () => {
    const text = `identity: { namespace: customerId, colum: CustomerID, as: int }
_id: [InvoiceNo, 7]
timestamp: { column: InvoiceDate, zone: Europe/Londn }
eventTyp: { const: x }
fields:
  line: row.Country
  line.total: row.Quantity / 2
  _id: row.InvoiceNo
  timestamp.x: row.InvoiceDate
  identityMap: row.A
  a..b: row.A
  c: [1]
  d: true
  e: Row.A
`;
    expect(said(text)).toEqual([
      "map.yaml:1:1: 'column' is missing; it must be text",
      "map.yaml:1:36: unknown key 'colum' (did you mean 'column'?); known here: namespace, column, as",
      "map.yaml:1:59: unsupported value 'int' of 'as'; supported: integer (17850.0 is 17850)",
      "map.yaml:2:18: a column's name is expected here, not a number",
      "map.yaml:3:41: unknown zone 'Europe/Londn' (did you mean 'Europe/London'?); it is UTC, ±HH:MM in quotes, or a name such as Europe/London",
      "map.yaml:4:1: unknown key 'eventTyp' (did you mean 'eventType'?); known here: identity, _id, timestamp, eventType, operation, lastUpdated, fields",
      "map.yaml:7:3: 'line.total' lies inside 'line', which is a value; one place holds one value",
      "map.yaml:7:28: '/' is not supported: a quotient is not exact in decimals; keep both numbers and divide in a computed attribute",
      "map.yaml:8:3: '_id' is not a field: it is made from '_id'",
      "map.yaml:9:3: 'timestamp' is not a field: it is made from 'timestamp'",
      "map.yaml:10:3: 'identityMap' is not a field: it is made from 'identity'",
      "map.yaml:11:3: 'a..b' has an empty step; a field is a path such as line.total",
      'map.yaml:12:6: an expression is expected here, e.g. row.Country, not a list; nested fields are written a.b',
      'map.yaml:13:6: an expression is expected here, e.g. row.Country, not true or false; nested fields are written a.b',
      `map.yaml:14:6: unknown name 'Row' (did you mean 'row'?); a column is row.Row, text is in quotes: "'Row'"`,
    ]);
  });

  test.each([
    ['', ["'identity' is missing"]],
    [`${RETAIL}operation: { const: Merge }`, ["unsupported value 'Merge'; supported: create, merge, delete"]],
    [`${RETAIL}operation: merge`, ["'operation' must be a map"]],
    [`${RETAIL}lastUpdated: { zone: UTC }`, ["'column' is missing"]],
    ['- 1', ['a map file must be a map, not a list']],
    ['identity: 1\ntimestamp: []', ["'identity' must be a map", "'timestamp' must be a map"]],
    [`${RETAIL}  __proto__.x: row.A\n`, ["'__proto__' is not allowed in a field"]],
    [`${RETAIL}  __proto__: row.A\n`, ["the key '__proto__' is not allowed"]],
    [`${RETAIL}  ${'a.'.repeat(15)}a: row.A\n`, ['nested too deeply']],
    [RETAIL.replace('{ const: commerce.purchases }', '{ const: a, column: b }'), ["'eventType' is either"]],
    [RETAIL.replace('[InvoiceNo, StockCode]', '[]'), ["'_id' must be a list of columns"]],
    [RETAIL.replace('zone: UTC', 'zone: 2'), ['unknown zone 2']],
    ['a: [', ['not valid YAML']],
  ])('%j', (text, expected) => {
    const lines = said(text);
    for (const words of expected) expect(lines.join('\n')).toContain(words);
  });

  test('a file that is not there', () => {
    expect(() => loadIngestMap('/nowhere/map.yaml')).toThrow(/\/nowhere\/map\.yaml: cannot be read/);
  });

  test('columns that the file has not, or has twice', () => {
    const map = parseIngestMap(
      'map.yaml',
      RETAIL.replace('row.UnitPrice', 'row.UnitPrize').replace('InvoiceDate', 'Invoicedate'),
    );
    expect(mistakes(() => checkColumns(map, [...HEADER, 'Country']))).toEqual([
      `map.yaml:3:22: the file has no column 'Invoicedate' (did you mean 'InvoiceDate'?); it has ${[...HEADER, 'Country'].join(', ')}`,
      `map.yaml:6:34: the file has no column 'UnitPrize' (did you mean 'UnitPrice'?); it has ${[...HEADER, 'Country'].join(', ')}`,
      "map.yaml:7:21: the file has 2 columns 'Country'; which one is meant?",
    ]);
    expect(mistakes(() => checkColumns(parseIngestMap('map.yaml', RETAIL), HEADER))).toEqual([]);
  });

  test('a file without a header: its first row is not quoted; of a long header a part is', () => {
    const map = parseIngestMap('map.yaml', RETAIL);
    expect(mistakes(() => checkColumns(map, ['geheim@example.org', '17850']))).toEqual([
      "map.yaml:1:44: line 1 of the file has none of the map's columns; is it a header?",
    ]);
    const [first] = mistakes(() =>
      checkColumns(map, ['Country', ...Array.from({ length: 99 }, (_, i) => `${i}${'x'.repeat(99)}`)]),
    );
    expect(first).toMatch(/it has Country, 0x{59}…, .*, 28x{58}…, and 70 more$/);
  });

  test('a namespace that is not defined, and what its dataset has no use for', () => {
    const use = (text: string, changes: Partial<MapUse> = {}): string[] =>
      mistakes(() =>
        checkUse(parseIngestMap('map.yaml', text), {
          namespaces: ['customerId', 'email'],
          dataset: 'orders',
          behavior: 'event',
          ...changes,
        }),
      );
    const records = RETAIL.replace(/^timestamp.*\n/m, 'operation: { const: merge }\nlastUpdated: { column: InvoiceDate }\n');
    expect(use(RETAIL)).toEqual([]);
    expect(use(RETAIL, { behavior: 'record' })).toEqual([]);
    expect(use(records, { behavior: 'record' })).toEqual([]);
    expect(use(records, { namespaces: ['customerID', 'email'] })).toEqual([
      "map.yaml:1:1: 'timestamp' is missing; it is a map of column, zone: the dataset 'orders' has events, and each has a time",
      "map.yaml:1:24: no namespace 'customerId' is defined (did you mean 'customerID'?); defined: customerID, email",
      "map.yaml:3:1: 'operation' is for records; the dataset 'orders' has events",
      "map.yaml:4:1: 'lastUpdated' is for records; the dataset 'orders' has events",
    ]);
  });
});
