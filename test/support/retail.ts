// Real invoices: how they are ingested, and what is in the file.
// RT1: the file is read with code of its own: nothing of `ingest` is used; money is counted in ten-thousandths as BigInt.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Beside the checkout; not copied into it. Undefined where it is not there. */
export const RETAIL_FILE = ((): string | undefined => {
  const path = join(import.meta.dirname, '../../../shared/data/online-retail-2010-12_2011-01.csv.gz');
  return existsSync(path) ? path : undefined;
})();

export const RETAIL_MAP = `
identity: { namespace: customerId, column: CustomerID, as: integer }
timestamp: { column: InvoiceDate, zone: UTC }
eventType: { const: commerce.purchases }
fields:
  line.total: row.Quantity * row.UnitPrice
  line.country: row.Country
  line.stock: row.StockCode
`;

/** A line of an invoice. `total`: ten-thousandths of a pound. */
export type RetailLine = { readonly atMs: number; readonly total: bigint; readonly stock: string; readonly country: string };

export type RetailTruth = {
  readonly rows: number;
  readonly withoutCustomer: number;
  /** Each one's lines in the order of the file. */
  readonly customers: ReadonlyMap<string, readonly RetailLine[]>;
  /** The greatest time of the file. */
  readonly endMs: number;
};

export function readRetail(path: string): RetailTruth {
  const lines = gunzipSync(readFileSync(path)).toString('utf8').trimEnd().split(/\r?\n/);
  const names = cells(lines[0]!);
  const at = (row: readonly string[], name: string): string => row[names.indexOf(name)]!;
  const customers = new Map<string, RetailLine[]>();
  let withoutCustomer = 0;
  let endMs = 0;
  for (const text of lines.slice(1)) {
    const row = cells(text);
    const customer = at(row, 'CustomerID');
    if (customer === '') {
      withoutCustomer++;
      continue;
    }
    const atMs = Date.parse(`${at(row, 'InvoiceDate').replace(' ', 'T')}Z`);
    endMs = Math.max(endMs, atMs);
    const id = customer.replace(/\.0$/, '');
    const list = customers.get(id) ?? [];
    const total = BigInt(at(row, 'Quantity')) * tenThousandths(at(row, 'UnitPrice'));
    list.push({ atMs, total, stock: at(row, 'StockCode'), country: at(row, 'Country') });
    customers.set(id, list);
  }
  return { rows: lines.length - 1, withoutCustomer, customers, endMs };
}

function tenThousandths(text: string): bigint {
  const [whole, fraction = ''] = text.split('.');
  if (fraction.length > 4) throw new Error(`a price with ${fraction.length} decimals`);
  const digits = BigInt(`${whole!.replace('-', '')}${fraction.padEnd(4, '0')}`);
  return text.startsWith('-') ? -digits : digits;
}

function cells(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map((match) => match[1]?.replaceAll('""', '"') ?? match[2]!);
}
