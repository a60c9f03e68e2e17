// Values that are not exact, and say so: does the promise hold? Every window that the promise allows is tried.
// OP1: something may be given up only where the identity has more matching events than are kept one by one.
// OP2: `tiled`: each dataset's share is that of a window which begins at most a hop too early: what was folded together leaves together,
//      late. Datasets are apart because their state is.
// OP3: `sampled` (countDistinct): each value is in the sample with a probability of `share`, so how many are is binomial. A number that is
//      less probable than PROBABILITY_MIN is broken, and so is a standard error (relative to the value) that is not that of the sample.
//      The sample's level follows from the values, so one of 53 may be the odd one: an honest estimate is taken for broken with a
//      probability of at most 53 × 2 × 10^-15, about 10^-13. No number of standard errors says that: in a small sample both ends of
//      such a range are far off, because the error is estimated from the sample too.
import { parseDuration, parseRfc3339, type DurationMs, type EpochMs } from '../base/time.ts';
import { isNumeric, valueOfRows, type Row } from './attribute_value.ts';
import { binomialTail } from './binomial_tail.ts';
import { ExactTotal } from './exact_sum.ts';
import { jsonEqual } from './json_equal.ts';
import { rowsOf, type ExpectedValue, type OverEvents, type ProfileFacts } from './recompute.ts';
import { canLeaveAt, startOf } from './window.ts';

/** As a view carries it (`Precision` of the product is one). */
export type StatedPrecision =
  | { readonly mode: 'tiled'; readonly hop: string }
  | { readonly mode: 'sampled'; readonly share: number; readonly standardError: number };

/** A value that an exported profile says is not exact. */
export type Inexact = { readonly value: unknown; readonly nextChangeAt?: string; readonly precision: StatedPrecision };

/** The first field that breaks the promise, and what it would have to be (of a value: the exact one). */
export type Broken = { readonly field: 'precision' | 'value' | 'nextChangeAt'; readonly expected: unknown };

const PROBABILITY_MIN = 1e-15;
/** Of a standard error, for how it is rounded. */
const ROUNDING = 1e-9;

/** @param exact the exact value at `timeMs` @param exactEvents how many are kept one by one, at least
 *  @returns undefined when the promise holds   Cost: O(rows of the hop × rows) */
export function brokenPromise(
  facts: ProfileFacts,
  attribute: OverEvents,
  stated: {
    readonly mine: Inexact;
    readonly exact: ExpectedValue | undefined;
    readonly timeMs: EpochMs;
    readonly exactEvents: number;
  },
): Broken | undefined {
  const { mine, exact, timeMs, exactEvents } = stated;
  const rows = rowsOf(facts, attribute);
  const { precision } = mine;
  if (rows.length <= exactEvents || precision.mode !== modeOf(attribute)) return { field: 'precision', expected: undefined };
  if (precision.mode === 'sampled') return brokenEstimate(mine.value, exact?.value, precision);
  const hopMs = hopOf(precision);
  if (hopMs === undefined) return { field: 'precision', expected: undefined };
  const known = rows.filter((row) => row.atMs <= timeMs);
  const edge = { startMs: startOf(attribute.window, timeMs), hopMs };
  if (!isPossible(mine.value, attribute, known, edge)) return { field: 'value', expected: exact?.value };
  const next = mine.nextChangeAt === undefined ? undefined : parseRfc3339(mine.nextChangeAt);
  const right =
    next === undefined
      ? exact?.nextChangeAt === undefined
      : next > timeMs && known.some(({ atMs }) => canLeaveAt(attribute.window, next, atMs, hopMs));
  return right ? undefined : { field: 'nextChangeAt', expected: exact?.nextChangeAt };
}

/** Undefined when there is none, or none that can be read. */
export function hopOf(precision: StatedPrecision): DurationMs | undefined {
  try {
    return precision.mode === 'tiled' ? parseDuration(precision.hop) : undefined;
  } catch {
    return undefined;
  }
}

function modeOf(attribute: OverEvents): StatedPrecision['mode'] | undefined {
  switch (attribute.function) {
    case 'count':
    case 'sum':
    case 'average':
    case 'min':
    case 'max':
    case 'earliest':
      return 'tiled';
    case 'countDistinct':
      return 'sampled';
    default:
      return undefined;
  }
}

/** @param exact how many there are, of which each is sampled or not */
function brokenEstimate(
  value: unknown,
  exact: unknown,
  { share, standardError }: StatedPrecision & { readonly mode: 'sampled' },
): Broken | undefined {
  if (!(share > 0 && share < 1 && Number.isInteger(Math.log2(share)))) return { field: 'precision', expected: undefined };
  const sampled = (value as number) * share;
  if (!Number.isInteger(sampled) || binomialTail(sampled, exact as number, share) < PROBABILITY_MIN)
    return { field: 'value', expected: exact };
  const right = 1 / Math.sqrt(Math.max(1, sampled));
  if (Math.abs(standardError / right - 1) <= ROUNDING) return undefined;
  return { field: 'precision', expected: { mode: 'sampled', share, standardError: right } };
}

type Edge = { readonly startMs: EpochMs; readonly hopMs: DurationMs };

/** Is this the value of the attribute, when each dataset's window may begin up to a hop too early? */
function isPossible(value: unknown, attribute: OverEvents, rows: readonly Row[], edge: Edge): boolean {
  if (edge.startMs === -Infinity) return jsonEqual(valueOfRows(attribute, rows)?.value, value);
  const datasets = [...Map.groupBy(rows, (row) => row.dataset).values()];
  switch (attribute.function) {
    case 'count':
    case 'sum':
    case 'average': {
      const counted = attribute.function === 'count' ? () => true : isNumeric;
      const shares = datasets.map((list) => possibleShares(list.filter(counted), edge));
      return combinations(shares).some((parts) => jsonEqual(ofShares(attribute, parts), value));
    }
    default: {
      const deciding = datasets.map((list) => possiblyDeciding(attribute, list, edge));
      return combinations(deciding).some((parts) => jsonEqual(valueOfRows(attribute, parts.flat())?.value, value));
    }
  }
}

type Share = { readonly count: number; readonly total: ExactTotal };

/** One dataset's count and sum, for each start up to a hop earlier that makes a difference. */
function possibleShares(rows: readonly Row[], { startMs, hopMs }: Edge): Share[] {
  const newestFirst = [...rows].sort((a, b) => b.atMs - a.atMs);
  let share: Share = { count: 0, total: new ExactTotal() };
  const shares: Share[] = [];
  for (const row of newestFirst) {
    if (row.atMs < startMs - hopMs) break;
    // what is left is before some start, and all so far is not: no start comes between rows of one time
    if (row.atMs < startMs && row.atMs !== newestFirst[share.count - 1]?.atMs) shares.push(share);
    share = { count: share.count + 1, total: isNumeric(row) ? share.total.with(row.value) : share.total };
  }
  return [...shares, share];
}

function ofShares(attribute: OverEvents, shares: readonly Share[]): number | undefined {
  const count = shares.reduce((so, share) => so + share.count, 0);
  if (attribute.function === 'count') return count;
  const total = shares.reduce((so, share) => so.plus(share.total), new ExactTotal());
  if (attribute.function === 'sum') return total.value();
  return count === 0 ? undefined : total.mean(count);
}

/** The row of one dataset that makes its value, or none, for each start that may be meant: between two of those no row lies. */
function possiblyDeciding(attribute: OverEvents, rows: readonly Row[], { startMs, hopMs }: Edge): Row[][] {
  const between = rows.map(({ atMs }) => atMs).filter((atMs) => startMs - hopMs <= atMs && atMs < startMs);
  const inOrder = [...rows].sort((a, b) => a.sequence - b.sequence); // the first of equals decides
  const deciding = new Map<number, Row[]>();
  for (const start of new Set([...between, startMs])) {
    const inside = inOrder.filter((row) => row.atMs >= start);
    const made = valueOfRows(attribute, inside);
    const row = inside.find((one) => {
      const alone = valueOfRows(attribute, [one]);
      return made !== undefined && jsonEqual(alone?.value, made.value) && alone?.atMs === made.atMs;
    });
    deciding.set(row?.sequence ?? -1, row === undefined ? [] : [row]);
  }
  return [...deciding.values()];
}

/** One of each list, in every way. */
function combinations<T>(lists: readonly (readonly T[])[]): T[][] {
  return lists.reduce<T[][]>((so, list) => so.flatMap((some) => list.map((one) => [...some, one])), [[]]);
}
