// Does a value follow from the events that are listed for it? The page reckons for itself, with its own arithmetic.
// AU1: `unknown` where the list is not everything that counts, or the value is not exact: then nothing is claimed.
// AU2: sums are decimal-exact, as the worker's are: 0.1 + 0.2 is 0.3.

/** @import { Explanation, ExplainedEvent } from '../profile/explanation.ts' */

/** `text`: what was done to the list. `result`: what comes of it; undefined: no value.
 *  @typedef {{ readonly verdict: 'same' | 'other' | 'unknown', readonly text: string, readonly result: unknown }} Reckoning */

/** @param {Explanation} explanation @returns {Reckoning} */
export function reckon(explanation) {
  const { events, truncated, agedOut, missing, precision } = explanation;
  const { text, result } = ofList(explanation.function, events);
  if (truncated === true || agedOut !== undefined || missing !== undefined || precision !== undefined)
    return { verdict: 'unknown', text, result };
  return { verdict: isSame(result, explanation.value) ? 'same' : 'other', text, result };
}

/** @param {string} name @param {readonly ExplainedEvent[]} events @returns {{ text: string, result: unknown }} */
function ofList(name, events) {
  const values = events.map(({ value }) => value);
  const numbers = values.filter((value) => typeof value === 'number');
  const deciding = events.filter(({ decides }) => decides === true).map(({ value }) => value);
  const none = events.length === 0;
  switch (name) {
    case 'sum':
      return { text: 'added up', result: none ? 0 : decimalSum(numbers) };
    case 'count':
      return { text: 'counted', result: events.length };
    case 'average':
      return { text: 'on average', result: none ? undefined : decimalSum(numbers) / numbers.length };
    case 'min':
      return { text: 'the least of them', result: extreme(values, (a, b) => a < b) };
    case 'max':
      return { text: 'the greatest of them', result: extreme(values, (a, b) => a > b) };
    case 'mostRecent':
      return { text: 'the latest of them', result: deciding[0] };
    case 'earliest':
      return { text: 'the first of them', result: deciding[0] };
    case 'list':
      return { text: 'the latest of them, newest first', result: none ? undefined : deciding };
    case 'countDistinct':
      return { text: 'different values', result: new Set(values.map((value) => JSON.stringify(value))).size };
    case 'exists':
      return { text: 'is there any', result: !none };
    default:
      return { text: '', result: undefined };
  }
}

/** Numbers, or times: those are compared as times. @param {readonly unknown[]} values @param {(a: number, b: number) => boolean} isBetter */
function extreme(values, isBetter) {
  /** @type {unknown} */
  let best;
  for (const value of values) if (best === undefined || isBetter(comparable(value), comparable(best))) best = value;
  return best;
}

/** @param {unknown} value */
function comparable(value) {
  return typeof value === 'string' ? Date.parse(value) : Number(value);
}

/** @param {unknown} reckoned @param {unknown} value */
function isSame(reckoned, value) {
  if (typeof reckoned === 'number' && typeof value === 'number')
    return Math.abs(reckoned - value) <= 1e-12 * Math.max(Math.abs(reckoned), Math.abs(value));
  // of nothing some functions say 0 or false, and an absent value is the same to them
  if (value === undefined) return reckoned === undefined || reckoned === 0 || reckoned === false;
  if (typeof reckoned === 'string' && typeof value === 'string' && Date.parse(reckoned) === Date.parse(value)) return true;
  return JSON.stringify(reckoned) === JSON.stringify(value);
}

/** Exact to the last digit, then the nearest double. @param {readonly number[]} numbers */
export function decimalSum(numbers) {
  const parts = numbers.map(decimalOf);
  const scale = Math.max(0, ...parts.map((part) => part.scale));
  let sum = 0n;
  for (const part of parts) sum += part.digits * 10n ** BigInt(scale - part.scale);
  return Number(`${sum}e-${scale}`);
}

/** n = digits / 10^scale. @param {number} n */
function decimalOf(n) {
  const [, sign = '', whole = '0', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(n)) ?? [];
  const scale = fraction.length - Number(exponent);
  const digits = BigInt(sign + whole + fraction);
  return scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 };
}
