import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fnv1a32, fnv1a32Bytes, hash64, mix32 } from '../../../src/base/fnv1a.ts';

/** The definition, written apart. */
function reference(text: string): number {
  let h = 0x811c9dc5n;
  for (const byte of new TextEncoder().encode(text)) h = ((h ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
  return Number(h);
}

describe('fnv1a32', () => {
  it('gives the published vectors', () => {
    const vectors: Record<string, number> = { '': 0x811c9dc5, a: 0xe40c292c, b: 0xe70c2de5, foo: 0xa9f37ed7, foobar: 0xbf9cf968 };
    for (const [text, hash] of Object.entries(vectors)) expect(fnv1a32(text)).toBe(hash);
  });

  it('hashes the UTF-8 bytes, surrogates and halves of them included', () => {
    for (const text of ['é', '€', '😀', '\ud83d', '\ude00', '\ud83dx', '\ud83d\ud83d\ude00', '\ud83d€', '\uffff', '\u07ff\u0800'])
      expect(fnv1a32(text), JSON.stringify(text)).toBe(reference(text));
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme-ascii' }), (a, b) => {
        expect(fnv1a32(a + b)).toBe(reference(a + b));
      }),
    );
    const unit = fc.oneof(fc.integer({ min: 0xd7f0, max: 0xe010 }), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.array(unit), (units) => {
        const text = String.fromCharCode(...units);
        expect(fnv1a32(text)).toBe(reference(text));
        expect(fnv1a32Bytes(new TextEncoder().encode(text))).toBe(reference(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('goes on from a seed', () => {
    expect(fnv1a32('bar', fnv1a32('foo'))).toBe(fnv1a32('foobar'));
    expect(fnv1a32Bytes(new TextEncoder().encode('bar'), fnv1a32('foo'))).toBe(fnv1a32('foobar'));
  });
});

describe('hash64 and mix32', () => {
  it('spreads: no collision among 100,000 short texts in 64 bits, no bias in the low bits', () => {
    const out = new Uint32Array(2);
    const seen = new Set<bigint>();
    const low = new Array<number>(16).fill(0);
    for (let i = 0; i < 30_000; i++) {
      hash64(`e-${i}`, out);
      seen.add((BigInt(out[1]!) << 32n) | BigInt(out[0]!));
      low[out[0]! & 15]!++;
    }
    expect(seen.size).toBe(30_000);
    for (const n of low) expect(Math.abs(n - 1875)).toBeLessThan(220);
  });

  it('mix32 is a bijection on samples and unsigned', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 50_000; i++) seen.add(mix32(i * 85_899));
    expect(seen.size).toBe(50_000);
    expect([...seen].every((h) => h >>> 0 === h)).toBe(true);
  });
});
