// By which hosts a port without tokens may be asked for.
import { expect, test } from 'vitest';
import { loadSettings } from '../../../src/definitions/load_settings.ts';
import { openAccess, type HttpAccess } from '../../../src/worker/http_access.ts';
import { WorkerMetrics } from '../../../src/worker/worker_metrics.ts';

function access(overrides: Readonly<Record<string, unknown>>, insecure = false): HttpAccess {
  const none = (): never => {
    throw new Error('nobody is asked');
  };
  const { http } = loadSettings({ env: {}, overrides });
  return openAccess({ http, insecure, log: () => undefined, meter: new WorkerMetrics(none).http });
}

const OPEN = { 'http.host': '0.0.0.0' };
const NAMED = { 'http.hosts': ['worker-1', 'Visage.internal'] };

test.each<[string, HttpAccess, readonly string[], readonly string[]]>([
  ['this machine', access({}), ['localhost', '127.0.0.1', '127.1.2.3', '[::1]'], ['10.1.2.3', '[fe80::1]', 'worker-1']],
  ['this machine, with names', access(NAMED), ['localhost', 'worker-1', 'visage.internal'], ['10.1.2.3', 'a.visage.internal']],
  [
    'others',
    access(OPEN, true),
    ['localhost', '10.1.2.3', '[fe80::1]'],
    ['worker-1', 'evil.example', '10.1.2.3.evil.example', ''],
  ],
  [
    'others, with names',
    access({ ...OPEN, ...NAMED }, true),
    ['localhost', '10.1.2.3', 'worker-1'],
    ['worker-2', 'evil.example'],
  ],
])('%s', (_, { isOurs, tokens }, ours, others) => {
  expect(tokens).toBeNull();
  expect(ours.filter((host) => !isOurs(host))).toEqual([]);
  expect(others.filter(isOurs)).toEqual([]);
});

test('names alone open no port', () => {
  expect(() => access({ ...OPEN, ...NAMED })).toThrow(expect.objectContaining({ code: 'needs_tokens' }));
});

test.each(['http://visage.internal', 'visage.internal:8080', '*', 'a b', '.internal', '[::1]'])('%s is no name', (host) => {
  expect(() => access({ 'http.hosts': host })).toThrow(/'http\.hosts' must each match/);
});
