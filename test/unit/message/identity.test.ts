import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fnv1a32Bytes } from '../../../src/base/fnv1a.ts';
import {
  decodeId,
  encodeId,
  identityKey,
  identityName,
  parseIdentityKey,
  partitionOf,
  rawIdBytes,
} from '../../../src/message/identity.ts';

const id = fc.string({ minLength: 1, unit: 'binary' });

describe('ids', () => {
  it.each([
    ['ada', 'ada'],
    ['A-Z_~09', 'A-Z_~09'],
    ['a.b', 'a%2Eb'],
    ['ada@example.com', 'ada%40example%2Ecom'],
    [' ', '%20'],
    ['%', '%25'],
    ['a%2Eb', 'a%252Eb'],
    ['é', '%C3%A9'],
    ['e\u0301', 'e%CC%81'],
    ['€', '%E2%82%AC'],
    ['😀', '%F0%9F%98%80'],
    ['*', '%2A'],
    ['>', '%3E'],
    ['\0', '%00'],
    ['\ufeffa', '%EF%BB%BFa'],
    ['\u007f', '%7F'],
    ['/', '%2F'],
    ['+', '%2B'],
  ])('encodes %j as %s', (raw, encoded) => {
    expect(encodeId(raw)).toBe(encoded);
    expect(decodeId(encoded)).toBe(raw);
  });

  it('round-trips, is canonical, plain ASCII, and knows its raw length', () => {
    fc.assert(
      fc.property(id, (raw) => {
        const token = encodeId(raw);
        expect(decodeId(token)).toBe(raw);
        expect(token).toMatch(/^(?:[A-Za-z0-9_~-]|%[0-9A-F]{2})+$/);
        expect(rawIdBytes(token)).toBe(Buffer.byteLength(raw));
      }),
      { numRuns: 1000 },
    );
  });

  it('has exactly one encoding: whatever decodes, encodes to the very same token', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'a',
        'Z',
        '9',
        '-',
        '.',
        '%',
        '%2',
        '%2E',
        '%2e',
        '%41',
        '%C3',
        '%A9',
        '%c3',
        '%F0%9F%98%80',
        '%ED%A0%80',
        '%00',
        '%25',
        '*',
        'é',
        ' ',
      ),
      fc.nat(255).map((b) => `%${b.toString(16).toUpperCase().padStart(2, '0')}`),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
        (token) => {
          const raw = decodeId(token);
          if (raw !== undefined) expect(encodeId(raw)).toBe(token);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    '',
    'a%2eb',
    '%41',
    '%',
    '%2',
    'a%',
    '%GG',
    'a.b',
    'a b',
    'é',
    '%FF',
    '%C3',
    '%C3%28',
    '%ED%A0%80',
    '%C0%AE',
    '%F4%90%80%80',
    'a*',
    '>',
    'a\n',
    '%2D',
    '%7E',
    '%5F',
  ])('refuses the token %j', (token) => {
    expect(decodeId(token)).toBeUndefined();
  });

  it('refuses ids that are none', () => {
    for (const raw of ['', '\ud83d', 'a\ude00b']) expect(() => encodeId(raw)).toThrow(/an id must/);
    for (const namespace of ['', '1a', 'a.b', 'a b', 'é', '-a'])
      expect(() => identityKey({ namespace, id: 'x' })).toThrow(/is not a namespace/);
  });

  it('keys round-trip', () => {
    fc.assert(
      fc.property(fc.constantFrom('customerId', 'email', 'a-b_C'), id, (namespace, raw) => {
        expect(parseIdentityKey(identityKey({ namespace, id: raw }))).toEqual({ namespace, id: raw });
      }),
    );
    expect(identityName({ namespace: 'email', id: 'a@b' })).toBe('email:a@b');
  });

  it('hashes both tokens without a separator to a shard', () => {
    fc.assert(
      fc.property(fc.constantFrom('customerId', 'email'), id, fc.integer({ min: 1, max: 64 }), (namespace, raw, partitions) => {
        const key = identityKey({ namespace, id: raw });
        const expected = fnv1a32Bytes(new TextEncoder().encode(namespace + encodeId(raw))) % partitions;
        expect(partitionOf(key, partitions)).toBe(expected);
      }),
    );
    expect(partitionOf('customerId.17850', 16)).toBe(fnv1a32Bytes(new TextEncoder().encode('customerId17850')) % 16);
  });
});
