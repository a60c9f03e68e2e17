import { describe, expect, test } from 'vitest';
import { MistakesError } from '../../../src/definitions/mistakes.ts';
import { RowRefusal } from '../../../src/ingest/evaluate.ts';
import type { FileRow } from '../../../src/ingest/file_row.ts';
import { checkColumns, checkNamespace, loadIngestMap, parseIngestMap } from '../../../src/ingest/ingest_map.ts';
import { rowMapper } from '../../../src/ingest/map_row.ts';
import { payloadRow } from '../../../src/ingest/payload_row.ts';

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

function mapped(changes: Readonly<Record<string, string>> = {}, text = RETAIL): unknown {
  const fields = HEADER.map((name, i) => changes[name] ?? GOOD[i]!);
  const event = rowMapper(parseIngestMap('map.yaml', text), HEADER)(row(fields), 'hash-3');
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
    const map = rowMapper(parseIngestMap('map.yaml', RETAIL), null);
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

describe('a line that is an event', () => {
  const of = (text: string): unknown => payloadRow(row([], text), 'hash-3');

  test('goes out as it stands, digits and all', () => {
    const text = ' {"_id":"a","timestamp":"2026-03-10T09:00:00.000Z","n":1.10,"big":12345678901234567890} ';
    expect(of(text)).toEqual({ identity: null, body: text, timestampMs: Date.UTC(2026, 2, 10, 9) });
  });

  test('gets an _id when it has none', () => {
    expect(of(' { "n":1.10}')).toEqual({ identity: null, body: '{"_id":"hash-3", "n":1.10}', timestampMs: NaN });
    expect(of('{}')).toMatchObject({ body: '{"_id":"hash-3"}' });
    expect(of('{"a":{"_id":"x"}}')).toMatchObject({ body: '{"_id":"hash-3","a":{"_id":"x"}}' });
  });

  test.each(['geheim', '[1]', '"geheim"', 'null', '{"geheim"'])('%s is refused without being quoted', (text) => {
    expect((of(text) as RowRefusal).reason).toMatch(/^not (JSON|a JSON object)$/);
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
      "map.yaml:4:1: unknown key 'eventTyp' (did you mean 'eventType'?); known here: identity, _id, timestamp, eventType, fields",
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
    ['', ["'identity' is missing", "'timestamp' is missing"]],
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

  test('a namespace that is not defined', () => {
    expect(mistakes(() => checkNamespace(parseIngestMap('map.yaml', RETAIL), ['customerID', 'email']))).toEqual([
      "map.yaml:1:24: no namespace 'customerId' is defined (did you mean 'customerID'?); defined: customerID, email",
    ]);
  });
});
