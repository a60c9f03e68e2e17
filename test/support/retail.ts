// Real invoices: how they are ingested, and what must come out, worked out from the file alone.
// RT1: the oracle reads the CSV with code of its own, counts in ten-thousandths as BigInt, and knows nothing of windows but their definition.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { jsonEqual } from '../../src/oracle/json_equal.ts';

/** Beside the checkout; not copied into it. Undefined where it is not there. */
export const RETAIL_FILE = ((): string | undefined => {
  const path = join(import.meta.dirname, '../../../shared/data/online-retail-2010-12_2011-01.csv.gz');
  return existsSync(path) ? path : undefined;
})();

const DAY_MS = 86_400_000;
const WINDOWS = { '7d': 7 * DAY_MS, '30d': 30 * DAY_MS, lifetime: Infinity } as const;

export const RETAIL_MAP = `
identity: { namespace: customerId, column: CustomerID, as: integer }
timestamp: { column: InvoiceDate, zone: UTC }
eventType: { const: commerce.purchases }
fields:
  line.total: row.Quantity * row.UnitPrice
  line.country: row.Country
`;

export const RETAIL_DEFINITIONS = [
  'version: 1',
  'namespaces: { customerId: { type: person, priority: 1, unique: true } }',
  'schemas:',
  '  invoiceLine:',
  '    class: individual',
  '    behavior: event',
  '    jsonSchema: { type: object, properties: { line: { type: object, properties: { total: { type: number }, country: { type: string } } } } }',
  'datasets: { lines: { schema: invoiceLine, profile: true } }',
  'computedAttributes:',
  ...Object.keys(WINDOWS).flatMap((name) => {
    const window = name === 'lifetime' ? 'lifetime' : `{ sliding: ${name} }`;
    return [
      `  count_${name}: { class: individual, eventTypes: [commerce.purchases], function: count, window: ${window} }`,
      ...['sum', 'min', 'max'].map(
        (what) =>
          `  ${what}_${name}: { class: individual, eventTypes: [commerce.purchases], value: event.line.total, function: ${what}, window: ${window} }`,
      ),
    ];
  }),
  '  lastCountry: { class: individual, eventTypes: [commerce.purchases], value: event.line.country, function: mostRecent, window: lifetime }',
].join('\n');

type Line = { readonly atMs: number; readonly total: bigint; readonly country: string };
export type RetailTruth = {
  readonly rows: number;
  readonly withoutCustomer: number;
  /** Ten-thousandths of a pound, and the greatest time of the file. */
  readonly customers: ReadonlyMap<string, readonly Line[]>;
  readonly endMs: number;
};

export function readRetail(path: string): RetailTruth {
  const lines = gunzipSync(readFileSync(path)).toString('utf8').trimEnd().split(/\r?\n/);
  const names = cells(lines[0]!);
  const at = (row: readonly string[], name: string): string => row[names.indexOf(name)]!;
  const customers = new Map<string, Line[]>();
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
    list.push({ atMs, total: BigInt(at(row, 'Quantity')) * tenThousandths(at(row, 'UnitPrice')), country: at(row, 'Country') });
    customers.set(id, list);
  }
  return { rows: lines.length - 1, withoutCustomer, customers, endMs };
}

/** Every difference between exported profiles and the file. */
export function retailDifferences(
  truth: RetailTruth,
  views: readonly {
    readonly profile: { readonly id: string };
    readonly time: string;
    readonly computed: Readonly<Record<string, { readonly value: unknown }>>;
  }[],
): string[] {
  const problems: string[] = [];
  if (views.length !== truth.customers.size) problems.push(`${views.length} profiles for ${truth.customers.size} customers`);
  for (const view of views) {
    const lines = truth.customers.get(view.profile.id);
    if (lines === undefined) {
      problems.push('a profile of nobody');
      continue;
    }
    if (Date.parse(view.time) !== truth.endMs) problems.push(`a profile as of ${view.time}`);
    const mine = Object.fromEntries(Object.entries(view.computed).map(([name, { value }]) => [name, value]));
    const right = valuesOf(lines, truth.endMs);
    if (!jsonEqual(mine, right)) problems.push(`${JSON.stringify(mine)} for ${JSON.stringify(right)}`);
  }
  return problems;
}

function valuesOf(lines: readonly Line[], nowMs: number): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, ms] of Object.entries(WINDOWS)) {
    const inside = lines.filter((line) => line.atMs >= nowMs - ms).map((line) => line.total);
    values[`count_${name}`] = inside.length;
    values[`sum_${name}`] = pounds(inside.reduce((sum, total) => sum + total, 0n));
    if (inside.length === 0) continue;
    values[`min_${name}`] = pounds(inside.reduce((least, total) => (total < least ? total : least)));
    values[`max_${name}`] = pounds(inside.reduce((most, total) => (total > most ? total : most)));
  }
  let last = lines[0]!;
  for (const line of lines) if (line.atMs >= last.atMs) last = line;
  values['lastCountry'] = last.country;
  return values;
}

function pounds(tenThousandth: bigint): number {
  return Number(tenThousandth) / 10_000;
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
