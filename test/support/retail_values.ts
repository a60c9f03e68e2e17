// What is computed of real invoices, and what must come out, worked out from the file alone.
// RV1: the right values come from the lines of the file with code of its own: it knows nothing of functions and windows but their definition
//      (design/semantics.md §7), and adds in ten-thousandths as BigInt.
// RV2: every function and every kind of window is in here; a test checks that.
import { jsonEqual } from '../../src/oracle/json_equal.ts';
import type { RetailLine, RetailTruth } from './retail.ts';

const DAY_MS = 86_400_000;
export const LIST_LIMIT = 20;

/** How each is written, and the first instant that is in it. */
const WINDOWS = {
  '7d': { text: '{ sliding: 7d }', from: (nowMs: number) => nowMs - 7 * DAY_MS },
  '30d': { text: '{ sliding: 30d }', from: (nowMs: number) => nowMs - 30 * DAY_MS },
  lifetime: { text: 'lifetime', from: () => -Infinity },
  month: { text: '{ calendar: month }', from: (nowMs: number) => Date.parse(`${isoOf(nowMs).slice(0, 7)}-01T00:00:00Z`) },
  twoWeeks: { text: '{ calendar: week, count: 2 }', from: (nowMs: number) => sundayOf(nowMs) - 7 * DAY_MS },
} as const;

const VALUES = {
  total: (line: RetailLine): unknown => pounds(line.total),
  stock: (line: RetailLine): unknown => line.stock,
  country: (line: RetailLine): unknown => line.country,
  timestamp: (line: RetailLine): unknown => isoOf(line.atMs),
} as const;

type OverLines = {
  readonly name: string;
  readonly function: string;
  readonly window: keyof typeof WINDOWS;
  readonly value?: keyof typeof VALUES;
  /** Only lines that give money back. */
  readonly returnsOnly?: true;
  readonly audience?: true;
};

type Values = Readonly<Record<string, unknown>>;
type Expression = {
  readonly text: string;
  readonly audience?: true;
  /** The same, of values that all are there. */
  readonly of: (values: Values) => unknown;
};

const NUMBERS = (['7d', '30d', 'lifetime'] as const).flatMap((window): OverLines[] => [
  { name: `count_${window}`, function: 'count', window },
  { name: `sum_${window}`, function: 'sum', window, value: 'total' },
  { name: `min_${window}`, function: 'min', window, value: 'total' },
  { name: `max_${window}`, function: 'max', window, value: 'total' },
]);

const OVER_LINES: readonly OverLines[] = [
  ...NUMBERS,
  { name: 'count_twoWeeks', function: 'count', window: 'twoWeeks' },
  { name: 'sum_month', function: 'sum', window: 'month', value: 'total' },
  { name: 'average_30d', function: 'average', window: '30d', value: 'total' },
  { name: 'average_month', function: 'average', window: 'month', value: 'total' },
  { name: 'articles_7d', function: 'countDistinct', window: '7d', value: 'stock' },
  { name: 'articles_month', function: 'countDistinct', window: 'month', value: 'stock' },
  { name: 'articles_lifetime', function: 'countDistinct', window: 'lifetime', value: 'stock' },
  { name: 'latest_30d', function: 'list', window: '30d', value: 'stock' },
  { name: 'latest_twoWeeks', function: 'list', window: 'twoWeeks', value: 'total' },
  { name: 'first_month', function: 'earliest', window: 'month', value: 'stock' },
  { name: 'first_lifetime', function: 'earliest', window: 'lifetime', value: 'stock' },
  { name: 'last_7d', function: 'mostRecent', window: '7d', value: 'stock' },
  { name: 'lastCountry', function: 'mostRecent', window: 'lifetime', value: 'country' },
  { name: 'firstSeen', function: 'min', window: 'lifetime', value: 'timestamp' },
  { name: 'returned_30d', function: 'exists', window: '30d', returnsOnly: true },
  { name: 'active_7d', function: 'exists', window: '7d', audience: true },
];

const EXPRESSIONS: Readonly<Record<string, Expression>> = {
  perLine_30d: {
    text: 'count_30d == 0 ? 0.0 : sum_30d / double(count_30d)',
    of: ({ count_30d, sum_30d }) => (count_30d === 0 ? 0 : (sum_30d as number) / (count_30d as number)),
  },
  bigSpender: { text: 'sum_30d > 500.0', audience: true, of: ({ sum_30d }) => (sum_30d as number) > 500 },
};

export const RETAIL_DEFINITIONS = [
  'version: 1',
  'namespaces: { customerId: { type: person, priority: 1, unique: true } }',
  'schemas:',
  '  invoiceLine:',
  '    class: individual',
  '    behavior: event',
  '    jsonSchema: { type: object, properties: { line: { type: object, properties: { total: { type: number }, country: { type: string }, stock: { type: string } } } } }',
  'datasets: { lines: { schema: invoiceLine, profile: true } }',
  'computedAttributes:',
  ...OVER_LINES.map(definitionOf),
  ...Object.entries(EXPRESSIONS).map(
    ([name, { text, audience }]) =>
      `  ${name}: { class: individual, function: expression, expression: '${text}'${audience === true ? ', audience: true' : ''} }`,
  ),
].join('\n');

/** Every attribute, by name, with its function. */
export const RETAIL_FUNCTIONS: ReadonlyMap<string, string> = new Map([
  ...OVER_LINES.map((attribute) => [attribute.name, attribute.function] as const),
  ...Object.keys(EXPRESSIONS).map((name) => [name, 'expression'] as const),
]);

/** What is compared of an exported profile. */
export type RetailView = {
  readonly profile: { readonly id: string };
  readonly time: string;
  readonly computed: Readonly<Record<string, { readonly value: unknown }>>;
  readonly audiences: readonly string[];
};

/** Every difference between exported profiles and the file. */
export function retailDifferences(truth: RetailTruth, views: readonly RetailView[]): string[] {
  const problems: string[] = [];
  if (views.length !== truth.customers.size) problems.push(`${views.length} profiles for ${truth.customers.size} customers`);
  for (const { profile, time, computed, audiences } of views) {
    const lines = truth.customers.get(profile.id);
    if (lines === undefined) {
      problems.push('a profile of nobody');
      continue;
    }
    if (Date.parse(time) !== truth.endMs) problems.push(`a profile as of ${time}`);
    const right = valuesOf(lines, truth.endMs);
    for (const name of new Set([...Object.keys(computed), ...Object.keys(right)])) {
      const mine = computed[name]?.value;
      if (!jsonEqual(mine, right[name])) problems.push(`${name} is ${JSON.stringify(mine)} for ${JSON.stringify(right[name])}`);
    }
    const inside = audiencesOf(right);
    if (!jsonEqual([...audiences].sort(), inside)) problems.push(`in ${audiences.join()} for ${inside.join()}`);
  }
  return problems;
}

/** The value of an expression, from the values that it names. */
export function retailExpression(name: string, values: Values): unknown {
  return EXPRESSIONS[name]!.of(values);
}

/** An absent value has no key. */
function valuesOf(lines: readonly RetailLine[], nowMs: number): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const attribute of OVER_LINES) {
    const fromMs = WINDOWS[attribute.window].from(nowMs);
    const inside = lines.filter(
      ({ atMs, total }) => atMs >= fromMs && atMs <= nowMs && (attribute.returnsOnly !== true || total < 0n),
    );
    const value = valueOf(attribute, inside);
    if (value !== undefined) values[attribute.name] = value;
  }
  for (const [name, { of }] of Object.entries(EXPRESSIONS)) values[name] = of(values);
  return values;
}

function valueOf({ function: name, value = 'total' }: OverLines, inside: readonly RetailLine[]): unknown {
  const shown = (line: RetailLine | undefined): unknown => (line === undefined ? undefined : VALUES[value](line));
  const sum = inside.reduce((total, line) => total + line.total, 0n);
  switch (name) {
    case 'count':
      return inside.length;
    case 'sum':
      return pounds(sum);
    case 'average':
      // ten-thousandths and their number are whole, so the one division rounds once
      return inside.length === 0 ? undefined : Number(sum) / (10_000 * inside.length);
    case 'min':
      return value === 'timestamp' ? shown(inOrder(inside)[0]) : shown(byTotal(inside)[0]);
    case 'max':
      return shown(byTotal(inside).at(-1));
    case 'earliest':
      return shown(inOrder(inside)[0]);
    case 'mostRecent':
      return shown(inOrder(inside).at(-1));
    case 'list':
      return inOrder(inside).slice(-LIST_LIMIT).reverse().map(shown);
    case 'countDistinct':
      return new Set(inside.map(shown)).size;
    case 'exists':
      return inside.length > 0;
    default:
      throw new Error(`no right value for ${name}`);
  }
}

function audiencesOf(values: Values): string[] {
  const all = [...OVER_LINES, ...Object.entries(EXPRESSIONS).map(([name, { audience }]) => ({ name, audience }))];
  const audiences = all.filter(({ audience }) => audience === true).map(({ name }) => name);
  return audiences.filter((name) => values[name] === true).sort();
}

function definitionOf({ name, function: function_, window, value, returnsOnly, audience }: OverLines): string {
  const path = value === undefined ? undefined : value === 'timestamp' ? 'event.timestamp' : `event.line.${value}`;
  const parts = [
    'class: individual',
    'eventTypes: [commerce.purchases]',
    ...(returnsOnly === true ? ['filter: event.line.total < 0.0'] : []),
    ...(path === undefined ? [] : [`value: ${path}`]),
    `function: ${function_}`,
    ...(function_ === 'list' ? [`limit: ${LIST_LIMIT}`] : []),
    `window: ${WINDOWS[window].text}`,
    ...(audience === true ? ['audience: true'] : []),
  ];
  return `  ${name}: { ${parts.join(', ')} }`;
}

/** Oldest first; what happened at one time in the order of the file, which is that of the log (sorting is stable). */
function inOrder(lines: readonly RetailLine[]): RetailLine[] {
  return [...lines].sort((a, b) => a.atMs - b.atMs);
}

function byTotal(lines: readonly RetailLine[]): RetailLine[] {
  return [...lines].sort((a, b) => Number(a.total - b.total));
}

function pounds(tenThousandths: bigint): number {
  return Number(tenThousandths) / 10_000;
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** The beginning of the Sunday that the instant's week began with. */
function sundayOf(ms: number): number {
  const midnightMs = Math.floor(ms / DAY_MS) * DAY_MS;
  return midnightMs - new Date(midnightMs).getUTCDay() * DAY_MS;
}
