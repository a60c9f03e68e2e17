// Which requests come from a page of another site.
import { expect, test } from 'vitest';
import { isLoopback } from '../../../src/base/loopback.ts';
import { foreign } from '../../../src/api/origin_guard.ts';

test.each<[string, string | undefined, string | undefined, string | undefined]>([
  ['a program', '127.0.0.1:8080', undefined, undefined],
  ['a program by name', 'localhost:8080', undefined, undefined],
  ['a program over IPv6', '[::1]:8080', undefined, undefined],
  ['our own page', '127.0.0.1:8080', 'http://127.0.0.1:8080', undefined],
  ['our own page by name', 'LOCALHOST:8080', 'http://localhost:8080', undefined],
  ['a page of another port', '127.0.0.1:8080', 'http://127.0.0.1:3000', 'foreign_origin'],
  ['a page of this machine by another name', '127.0.0.1:8080', 'http://localhost:8080', 'foreign_origin'],
  ['a page of another site', '127.0.0.1:8080', 'https://evil.example', 'foreign_origin'],
  ['a page without an origin of its own', '127.0.0.1:8080', 'null', 'foreign_origin'],
  ['what is no origin', '127.0.0.1:8080', '', 'foreign_origin'],
  ['a name that resolves to us', 'evil.example:8080', undefined, 'foreign_host'],
  ['a name that resolves to us, its own page', 'evil.example:8080', 'http://evil.example:8080', 'foreign_host'],
  ['a name that begins like ours', '127.0.0.1.evil.example', undefined, 'foreign_host'],
  ['another address', '192.168.1.4:8080', undefined, 'foreign_host'],
  ['no host', undefined, undefined, 'foreign_host'],
  ['what is no host', 'a b', undefined, 'foreign_host'],
])('%s', (_, host, origin, expected) => {
  expect(foreign({ host, origin }, isLoopback)).toBe(expected);
});

test('where another name is ours it is answered, and a page of another site is not', () => {
  const isOurs = (hostname: string): boolean => hostname === 'visage.example';
  expect(foreign({ host: 'visage.example' }, isOurs)).toBeUndefined();
  expect(foreign({ host: 'VISAGE.example:8080' }, isOurs)).toBeUndefined();
  expect(foreign({ host: 'visage.example', origin: 'https://visage.example' }, isOurs)).toBeUndefined();
  expect(foreign({ host: 'visage.example', origin: 'https://evil.example' }, isOurs)).toBe('foreign_origin');
  expect(foreign({ host: 'evil.example', origin: 'https://evil.example' }, isOurs)).toBe('foreign_host');
  expect(foreign({ host: undefined }, isOurs)).toBe('foreign_host');
});
