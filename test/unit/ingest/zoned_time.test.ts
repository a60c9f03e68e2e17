import { describe, expect, test } from 'vitest';
import { formatTime } from '../../../src/base/time.ts';
import { timeParser } from '../../../src/ingest/zoned_time.ts';

function at(zone: string, text: string): string {
  const ms = timeParser(zone)!(text);
  return ms === ms ? formatTime(ms) : 'none';
}

describe('times of a file', () => {
  test.each([
    ['UTC', '2010-12-01 08:26:00', '2010-12-01T08:26:00.000Z'],
    ['UTC', '2010-12-01T08:26', '2010-12-01T08:26:00.000Z'],
    ['UTC', '2010-12-01', '2010-12-01T00:00:00.000Z'],
    ['UTC', ' 2010-12-01 08:26:00.1234 ', '2010-12-01T08:26:00.123Z'],
    ['+02:00', '2010-12-01 08:26:00', '2010-12-01T06:26:00.000Z'],
    ['-05:30', '2010-12-01 08:26:00', '2010-12-01T13:56:00.000Z'],
    ['Asia/Kathmandu', '2024-01-01 00:00:00', '2023-12-31T18:15:00.000Z'],
    ['Europe/London', '2011-01-15 12:00:00', '2011-01-15T12:00:00.000Z'],
    ['Europe/London', '2011-07-15 12:00:00', '2011-07-15T11:00:00.000Z'],
  ])('%s: %s', (zone, text, expected) => {
    expect(at(zone, text)).toBe(expected);
  });

  test('RFC 3339 carries its own zone', () => {
    expect(at('Asia/Tokyo', '2010-12-01T08:26:00Z')).toBe('2010-12-01T08:26:00.000Z');
    expect(at('Asia/Tokyo', '2010-12-01T08:26:00.5+01:00')).toBe('2010-12-01T07:26:00.500Z');
    expect(at('Asia/Tokyo', '2010-12-01 08:26:00+01:00')).toBe('2010-12-01T07:26:00.000Z');
  });

  test('clocks put forward: a time that was skipped lies as far behind the gap', () => {
    expect(at('Europe/Berlin', '2024-03-31 01:59:59')).toBe('2024-03-31T00:59:59.000Z');
    expect(at('Europe/Berlin', '2024-03-31 02:30:00')).toBe('2024-03-31T01:30:00.000Z'); // shown as 03:30
    expect(at('Europe/Berlin', '2024-03-31 03:00:00')).toBe('2024-03-31T01:00:00.000Z');
    expect(at('Australia/Lord_Howe', '2024-10-06 02:15:00')).toBe('2024-10-05T15:45:00.000Z'); // half an hour
    expect(at('Pacific/Apia', '2011-12-30 12:00:00')).toBe('2011-12-30T22:00:00.000Z'); // a whole day
  });

  test('clocks put back: a time that was shown twice is the first', () => {
    expect(at('Europe/Berlin', '2024-10-27 01:59:59')).toBe('2024-10-26T23:59:59.000Z');
    expect(at('Europe/Berlin', '2024-10-27 02:30:00')).toBe('2024-10-27T00:30:00.000Z');
    expect(at('Europe/Berlin', '2024-10-27 03:00:00')).toBe('2024-10-27T02:00:00.000Z');
    expect(at('America/New_York', '2024-11-03 01:30:00')).toBe('2024-11-03T05:30:00.000Z');
  });

  test.each(['', 'yesterday', '2010-13-01', '2010-02-30 00:00:00', '2010-12-01 25:00', '12/1/2010 8:26', '1291191960'])(
    '%j is none',
    (text) => {
      expect(at('UTC', text)).toBe('none');
    },
  );

  test('the same instant as formatting says, every 25 h 17 min of a decade', () => {
    for (const zone of ['Europe/London', 'America/St_Johns', 'Pacific/Auckland']) {
      const parse = timeParser(zone)!;
      const shown = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
      for (let ms = Date.UTC(2010, 0, 1); ms < Date.UTC(2020, 0, 1); ms += (25 * 60 + 17) * 60_000) {
        const text = shown.format(ms);
        expect(shown.format(parse(text)), text).toBe(text);
      }
    }
  });

  test.each(['Mars/Olympus', '', '+25:00', '+1', 'GMT+', 'utc2'])('zone %j is unknown', (zone) => {
    expect(timeParser(zone)).toBeUndefined();
  });
});
