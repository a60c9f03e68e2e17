// Positions of change events: what they say, and when nobody can go on from one.
import { expect, test } from 'vitest';
import { behind, isBefore, parsePosition, positionText, whyLost } from '../../../src/stream/change_position.ts';
import { rejectionOf } from '../../support/eventually.ts';

const CREATED = '2026-03-10T09:00:00.123456789Z';
const state = { created: CREATED, firstSequence: 10, lastSequence: 20 };
const at = (sequence: number, index = 0, created = CREATED) => parsePosition(positionText(created, { sequence, index }));

test('a position is read as it was written', () => {
  for (const place of [
    { sequence: 1, index: 0 },
    { sequence: 123_456_789_012, index: 4_095 },
  ])
    expect(parsePosition(positionText(CREATED, place)).place).toEqual(place);
});

test('anything else is none', async () => {
  for (const text of [
    '',
    '7',
    '00000000-0-0',
    '00000000-1',
    '0000000g-1-1',
    '00000000-1-1 ',
    '00000000--1-1',
    `${'0'.repeat(8)}-1-1234567`,
  ])
    expect(await rejectionOf(Promise.resolve().then(() => parsePosition(text)))).toMatchObject({
      code: 'bad_query',
      kind: 'usage',
    });
});

test('it is lost where the stream may have had more, or is another one', () => {
  expect([at(10), at(21), at(15, 3)].map((position) => whyLost(position, state))).toEqual([undefined, undefined, undefined]);
  expect([at(9), at(9, 5)].map((position) => whyLost(position, state))).toEqual(['aged_out', 'aged_out']);
  expect(whyLost(at(15, 0, '2026-03-10T09:00:00.123456788Z'), state)).toBe('other_stream');
  expect(whyLost(at(22), state)).toBe('other_stream');
  expect(whyLost(at(21), { ...state, firstSequence: 21 })).toBeUndefined(); // everything aged out, and all of it was seen
  expect(whyLost(at(1), { created: CREATED, firstSequence: 0, lastSequence: 0 })).toBeUndefined(); // nothing was there yet
});

test('behind the last event of a commit comes the next commit', () => {
  expect([behind(7, 0, 3), behind(7, 2, 3)]).toEqual([
    { sequence: 7, index: 1 },
    { sequence: 8, index: 0 },
  ]);
  expect(isBefore({ sequence: 7, index: 1 }, { sequence: 7, index: 2 })).toBe(true);
  expect(isBefore({ sequence: 7, index: 2 }, { sequence: 7, index: 2 })).toBe(false);
  expect(isBefore({ sequence: 7, index: 2 }, { sequence: 8, index: 0 })).toBe(true);
});
