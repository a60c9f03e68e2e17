// How values, numbers and times read. FM1: what is shortened here has its exact text in `exactText`, for a title.

const DIGITS_MAX = 6;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const plain = new Intl.NumberFormat(undefined, { maximumFractionDigits: DIGITS_MAX });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});
const fullDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });

/** @param {number} n */
export function numberText(n) {
  return plain.format(n);
}

/** As many digits after the point for each of them as the longest has, so that they stand below each other.
 *  @param {readonly unknown[]} values
 *  @returns {(value: unknown) => string} */
export function alignedText(values) {
  const numbers = values.filter((value) => typeof value === 'number');
  const digits = Math.min(DIGITS_MAX, Math.max(0, ...numbers.map(digitsAfterPoint)));
  const format = new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return (value) => (typeof value === 'number' ? format.format(value) : valueText(value));
}

/** @param {number} n */
function digitsAfterPoint(n) {
  const [, fraction = '', exponent = '0'] = /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(n)) ?? [];
  return Math.max(0, fraction.length - Number(exponent));
}

/** For a row: short where it is a number or a time, else as it is. @param {unknown} value @returns {string} */
export function valueText(value) {
  if (value === undefined) return '—';
  if (typeof value === 'number') return numberText(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return isTime(value) ? timeText(value) : value;
  if (Array.isArray(value) && value.every((each) => typeof each === 'number')) return value.map(alignedText(value)).join(' · ');
  return JSON.stringify(value);
}

/** As the worker has it. @param {unknown} value @returns {string} */
export function exactText(value) {
  if (value === undefined) return 'no value';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** RFC 3339, as the worker writes times. @param {string} text */
export function isTime(text) {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text));
}

/** Local time, as much of it as is needed: the clock for what is at most half a day away. @param {string} text @param {number} [nowMs] */
export function timeText(text, nowMs = Date.now()) {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return text;
  const awayMs = Math.abs(nowMs - ms);
  if (awayMs < DAY_MS / 2) return clock.format(ms);
  return awayMs < 180 * DAY_MS ? dayAndClock.format(ms) : fullDay.format(ms);
}

/** How long that is: `8 s`, `2 min 05 s`, `3 h 20 min`, `12 days`. @param {number} ms */
export function durationText(ms) {
  const left = Math.max(0, ms);
  if (left < MINUTE_MS) return `${Math.ceil(left / 1000)} s`;
  if (left < HOUR_MS) return `${Math.floor(left / MINUTE_MS)} min ${two(Math.floor((left % MINUTE_MS) / 1000))} s`;
  if (left < 2 * DAY_MS) return `${Math.floor(left / HOUR_MS)} h ${two(Math.floor((left % HOUR_MS) / MINUTE_MS))} min`;
  return `${Math.floor(left / DAY_MS)} days`;
}

/** @param {number} n */
function two(n) {
  return String(n).padStart(2, '0');
}

/** `1 event`, `2 events`. @param {number} n @param {string} noun */
export function countText(n, noun) {
  return `${numberText(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** A window of the definitions. @param {unknown} window */
export function windowText(window) {
  if (window === undefined) return '';
  if (window === 'lifetime') return 'all time';
  const { sliding, calendar, count = 1 } = /** @type {{ sliding?: string, calendar?: string, count?: number }} */ (window);
  if (sliding !== undefined) return `last ${sliding}`;
  return count === 1 ? `this ${calendar}` : `last ${count} ${calendar}s`;
}
