import { expect, test } from 'vitest';
import { isLoopback } from '../../../src/base/loopback.ts';

test.each(['127.0.0.1', '127.1.2.3', 'localhost', 'LocalHost', '::1', '[::1]'])('%s is this machine', (host) => {
  expect(isLoopback(host)).toBe(true);
});

test.each([
  '0.0.0.0',
  '::',
  '',
  '10.0.0.1',
  '127.0.0.1.evil.example',
  'localhost.evil.example',
  'x127.0.0.1',
  '::1.evil',
  '[::2]',
])('%s is not', (host) => {
  expect(isLoopback(host)).toBe(false);
});
