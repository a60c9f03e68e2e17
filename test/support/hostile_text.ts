// JSON text that nobody should send, from a seed: every value is text, so that what JSON.stringify would never write is there too.
// HT1: the same random numbers give the same text. HT2: values hold `SECRET`, keys never do: nothing of a value may leak.
import type { Random } from '../../src/base/random.ts';

export const SECRET = 'geheim';

const NUMBERS = [
  '0',
  '-0',
  '1',
  '-1',
  '9.99',
  '1e308',
  '-1e308',
  '1e-999',
  '5e-324',
  '9007199254740993',
  '123456789012345678901234567890',
  '1E+2',
  `0.${'0'.repeat(900)}1`,
];
const NOT_FINITE = ['1e999', '-1e999', `1${'0'.repeat(400)}`];
const TEXTS = [
  '""',
  '" "',
  '"web"',
  '"null"',
  '"undefined"',
  '"__proto__"',
  '"constructor"',
  '"\\u0000"',
  '"\\ud800"',
  `"\\udfff${SECRET}"`,
  '"\\ud83d\\ude00 é"',
  `"${SECRET}"`,
  `"${SECRET.repeat(300)}"`,
  '"2026-01-01T00:00:00Z"',
  '"2026-02-30T00:00:00Z"',
  '"9999-12-31T23:59:59.999Z"',
  '"-000001-01-01T00:00:00Z"',
  '"a@b.c"',
  '"\\"],[{\\"a\\":"',
  '"${jndi:ldap://geheim}"',
];
/** Made to be slow for patterns and formats that go back. */
const SLOW = [
  `"${'a'.repeat(3_000)}!"`,
  `"${'a'.repeat(200)}@${'a.'.repeat(700)}"`,
  `"${'1:'.repeat(900)}"`,
  `"https://${'%41'.repeat(600)}["`,
  `"P${'1Y'.repeat(600)}"`,
  `"2026-01-01T00:00:00.${'0'.repeat(2_000)}x"`,
  `"${'-'.repeat(2_500)}"`,
  `"${'/~'.repeat(1_200)}"`,
];
const KEYS = [
  'price',
  'channel',
  'city',
  'tags',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  '__defineGetter__',
  'length',
  '',
  'a.b',
  'a/b',
  '~',
  '~1',
  '$ref',
  '$defs',
  '$append',
  '$remove',
  '[0]',
  '0',
  '-1',
  '\\ud800',
  '\\u0000',
  '\\"]',
  'then',
  'x-é',
  '_id',
  'timestamp',
  'identityMap',
  'lastUpdatedDate',
  'k'.repeat(120),
];

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)]!;
}

export function chance(random: Random, share: number): boolean {
  return random.next() < share;
}

/** A member's name, without quotes. */
export function keyText(random: Random): string {
  const kind = random.below(200);
  if (kind === 0) return '__proto__';
  if (kind === 1) return 'n'.repeat(600);
  return pick(random, KEYS);
}

/** Any value. @param depth how much deeper it may go, but for those that are deep on purpose */
export function valueText(random: Random, depth: number): string {
  if (random.below(600) === 0) return hugeText(random);
  const kind = random.below(100);
  if (kind < 18) return pick(random, NUMBERS);
  if (kind < 44) return pick(random, TEXTS);
  if (kind < 50) return pick(random, SLOW);
  if (kind < 60) return pick(random, ['true', 'false', 'null', 'null']);
  if (kind < 61) return pick(random, NOT_FINITE);
  if (kind < 62) return deepText(random, 1 + random.below(40));
  if (kind < 64) return wideText(random);
  if (depth <= 0) return 'null';
  if (kind < 72) return changeText(random, depth);
  const size = random.below(5);
  if (kind < 84) return `[${Array.from({ length: size }, () => valueText(random, depth - 1)).join()}]`;
  return objectText(random, size, depth);
}

export function objectText(random: Random, size: number, depth: number): string {
  return `{${Array.from({ length: size }, () => `"${keyText(random)}":${valueText(random, depth - 1)}`).join()}}`;
}

/** An array's change, right or wrong. */
export function changeText(random: Random, depth: number): string {
  const side = (key: string): string =>
    chance(random, 0.8)
      ? `"${key}":[${valueText(random, 0)},${valueText(random, depth - 1)}]`
      : `"${key}":${valueText(random, depth - 1)}`;
  const sides = chance(random, 0.3) ? [side('$append'), side('$remove')] : [side(pick(random, ['$append', '$remove']))];
  if (chance(random, 0.15)) sides.push(`"${keyText(random)}":${valueText(random, 0)}`);
  return `{${sides.join()}}`;
}

export function deepText(random: Random, levels: number): string {
  const [open, close] = pick(random, [
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"tree":{"kids":', '}}]'],
  ] as const);
  return open.repeat(levels) + '1' + close.repeat(levels);
}

/** Many small values: items that differ little, or keys. */
function wideText(random: Random): string {
  const size = 10 + random.below(300);
  if (chance(random, 0.5)) return `[${Array.from({ length: size }, (_, i) => `{"i":[${i >> 1}]}`).join()}]`;
  return `{${Array.from({ length: size }, (_, i) => `"w${i}":${i}`).join()}}`;
}

/** About as much as a record may be. */
function hugeText(random: Random): string {
  const bytes = 4_000 + random.below(90_000);
  switch (random.below(4)) {
    case 0: {
      const slow = pick(random, SLOW).slice(1, -1);
      return `"${slow.repeat(Math.ceil(bytes / slow.length))}"`;
    }
    case 1:
      return `{"$${pick(random, ['append', 'remove'])}":[${Array.from({ length: bytes >> 3 }, (_, i) => i % 5_000).join()}]}`;
    case 2:
      return `[${'{},'.repeat(bytes >> 2)}"a"]`;
    default:
      return `{${Array.from({ length: bytes >> 4 }, (_, i) => `"k${i.toString(36)}":${i}`).join()}}`;
  }
}
