import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, formatTime, parseDuration, parseRfc3339 } from '../../../src/base/time.ts';

const FIRST = Date.UTC(2000, 0, 1) - 2000 * 365.2425 * 86_400_000 + 86_400_000 * 3; // early in year 0
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const instant = fc.integer({ min: Math.ceil(FIRST), max: LAST });

describe('parseRfc3339', () => {
  it('agrees with Date for every valid time, by the fast and the slow path', () => {
    fc.assert(
      fc.property(instant, (ms) => {
        const text = new Date(ms).toISOString();
        fc.pre(text.length === 24);
        expect(parseRfc3339(text)).toBe(ms); // fast
        expect(parseRfc3339(text.toLowerCase())).toBe(ms); // slow
        expect(parseRfc3339(`${text.slice(0, -1)}+00:00`)).toBe(ms); // slow
        expect(parseRfc3339(`${text.slice(0, -1)}987654Z`)).toBe(ms); // cut, not rounded
        const seconds = Math.floor(ms / 1000) * 1000;
        expect(parseRfc3339(`${text.slice(0, 19)}Z`)).toBe(seconds);
        expect(parseRfc3339(`${text.slice(0, 19)}-00:00`)).toBe(seconds);
      }),
      { numRuns: 1500 },
    );
  });

  it('takes offsets', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: -1439, max: 1439 }), (ms, minutes) => {
        const local = new Date(ms + minutes * 60_000).toISOString().slice(0, -1);
        const size = Math.abs(minutes);
        const two = (n: number): string => String(n).padStart(2, '0');
        const offset = `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
        expect(parseRfc3339(local + offset)).toBe(ms);
      }),
    );
  });

  it('fills short fractions', () => {
    expect(parseRfc3339('1970-01-01T00:00:00.5Z')).toBe(500);
    expect(parseRfc3339('1970-01-01T00:00:00.05Z')).toBe(50);
    expect(parseRfc3339('1970-01-01T00:00:00.0009Z')).toBe(0);
  });

  it('knows leap days', () => {
    expect(parseRfc3339('2024-02-29T00:00:00.000Z')).toBe(Date.UTC(2024, 1, 29));
    expect(parseRfc3339('2000-02-29T00:00:00Z')).toBe(Date.UTC(2000, 1, 29));
    for (const text of ['2023-02-29T00:00:00.000Z', '1900-02-29T00:00:00Z', '2100-02-29T00:00:00.000Z'])
      expect(parseRfc3339(text)).toBeNaN();
  });

  it.each([
    '',
    'yesterday',
    '2026',
    '2026-03-10',
    '2026-03-10T09:00Z',
    '2026-03-10T09:00:00',
    '2026-03-10 09:00:00Z',
    '2026-03-10T09:00:00.Z',
    '2026-03-10T24:00:00Z',
    '2026-03-10T09:60:00.000Z',
    '2026-03-10T09:00:60.000Z',
    '2026-00-10T09:00:00.000Z',
    '2026-13-10T09:00:00.000Z',
    '2026-03-00T09:00:00.000Z',
    '2026-03-32T09:00:00.000Z',
    '2026-04-31T09:00:00.000Z',
    '2026-02-30T00:00:00.000Z',
    '26-03-10T09:00:00.000Z',
    '+02026-03-10T09:00:00Z',
    '-2026-03-10T09:00:00.000Z',
    ' 2026-03-10T09:00:00Z',
    '2026-03-10T09:00:00Z ',
    '2026-03-10T09:00:00Z\n',
    '2026-03-10T09:00:00+24:00',
    '2026-03-10T09:00:00+01:60',
    '2026-03-10T09:00:00+0100',
    '2026-03-10T09:00:00+1',
    '2026-03-10T09:00:00,000Z',
    '2026-03-10T09:00:00.1234567890Z',
    '2026-3-10T09:00:00.0000Z',
    '2026-03-10T09:00:0a.000Z',
    '2026-03-10T09:00:00.00aZ',
    '2026-03-10T09:00:00.0:0Z',
    '２０26-03-10T09:00:00.000Z',
    '2026-03-10T09:00:00.000z0',
    '2026/03/10T09:00:00.000Z',
    '2026-03-10T09-00-00.000Z',
    '1e10',
    'NaN',
  ])('refuses %j', (text) => {
    expect(parseRfc3339(text)).toBeNaN();
  });

  it('never takes a mutilated time that Date, strictly read, refuses', () => {
    const strict = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;
    fc.assert(
      fc.property(instant, fc.nat(23), fc.string({ minLength: 1, maxLength: 1, unit: 'grapheme-ascii' }), (ms, at, character) => {
        const good = new Date(ms).toISOString();
        fc.pre(good.length === 24);
        const text = good.slice(0, at) + character + good.slice(at + 1);
        const got = parseRfc3339(text);
        if (!strict.test(text)) return void expect(got).toBeNaN();
        const date = new Date(text.toUpperCase());
        // Date takes Feb 30 as March 2 and 24:00; a time that does not print as it was written is none
        const right = !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 19) === text.toUpperCase().slice(0, 19);
        expect(got, text).toBe(right ? date.getTime() : NaN);
      }),
      { numRuns: 1500 },
    );
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => typeof parseRfc3339(text) === 'number'));
  });

  it('formatTime writes what Date does: any time, in any order, parts of a millisecond left out', () => {
    const at = fc.oneof(
      fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 }),
      fc.integer({ min: 1_700_000_000_000, max: 1_700_300_000_000 }), // days that come again
      fc.double({ min: -8.64e15, max: 8.64e15, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(at, { maxLength: 20 }), (times) => {
        expect(times.map(formatTime)).toEqual(times.map((time) => new Date(time).toISOString()));
      }),
      { numRuns: 1_000 },
    );
    for (const none of [NaN, Infinity, -Infinity, 8.65e15]) expect(() => formatTime(none)).toThrow(RangeError);
  });

  it('formatTime is its inverse', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2, 0, 1), max: LAST }), (ms) => {
        fc.pre(formatTime(ms).length === 24);
        expect(parseRfc3339(formatTime(ms))).toBe(ms);
      }),
    );
  });
});

describe('durations', () => {
  it('parses every unit', () => {
    expect(['1ms', '1s', '1m', '1h', '1d', '1w', '30d', '0.5s', '0ms', '1.5h'].map(parseDuration)).toEqual([
      1, 1000, 60_000, 3_600_000, 86_400_000, 604_800_000, 2_592_000_000, 500, 0, 5_400_000,
    ]);
  });

  it.each([
    '',
    '1',
    'd',
    '-1d',
    '1 d',
    '1D',
    '1month',
    '.5s',
    '1.s',
    '0.5ms',
    '1e3ms',
    '9007199254740993ms',
    '99999999999999999d',
    '1d\n',
    '１d',
  ])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(/is not a duration/);
  });

  it('takes decimals that binary doubles cannot hold', () => {
    expect(['0.1s', '1.001s', '2.3s', '1.005s', '4.35s', '0.29s', '1.1m', '0.57s'].map(parseDuration)).toEqual([
      100, 1001, 2300, 1005, 4350, 290, 66_000, 570,
    ]);
  });

  it('round-trips', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 4e12 }), (ms) => parseDuration(formatDuration(ms)) === ms));
    expect([0, 1, 1000, 86_400_000, 90_000, 2_592_000_000].map(formatDuration)).toEqual(['0ms', '1ms', '1s', '1d', '90s', '30d']);
  });
});
