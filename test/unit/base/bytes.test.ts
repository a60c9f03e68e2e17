import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBytes, parseBytes } from '../../../src/base/bytes.ts';

describe('sizes', () => {
  it('parses every unit', () => {
    expect(['0B', '1B', '1KB', '512MB', '1.5KB', '2GB', '1TB'].map(parseBytes)).toEqual([
      0,
      1,
      1024,
      536_870_912,
      1536,
      2 ** 31,
      2 ** 40,
    ]);
  });

  it.each(['', '1', 'MB', '-1MB', '1 MB', '1mb', '1MiB', '1e3MB', '99999999999TB', '1MB\n'])('refuses %j', (text) => {
    expect(() => parseBytes(text)).toThrow(/is not a size/);
  });

  it('round-trips', () => {
    fc.assert(fc.property(fc.nat({ max: 2 ** 50 }), (bytes) => parseBytes(formatBytes(bytes)) === bytes));
    expect([0, 1, 1024, 1536, 2 ** 30].map(formatBytes)).toEqual(['0B', '1B', '1KB', '1536B', '1GB']);
  });
});
