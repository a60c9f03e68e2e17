// What a message says that it does, and what is refused before it is sent.
import { expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import type { Naming } from '../../../src/producer/choose_identity.ts';
import { kindHeaders, type MessageKind } from '../../../src/producer/message_kind.ts';
import { namingOf } from '../../../src/producer/priorities.ts';

const NAMING = namingOf({
  namespaces: { email: { priority: 2 }, customerId: { priority: 1 } },
  schemas: {
    purchase: { behavior: 'event' },
    customer: { behavior: 'record', identities: [{ path: '/personalEmail/a~1b~0', namespace: 'email' }] },
    old: {},
  },
  datasets: {
    orders: { schema: 'purchase' },
    crm: { schema: 'customer' },
    older: { schema: 'old' },
    lost: { schema: 'constructor' },
  },
});

function headers(dataset: string, kind: MessageKind, naming: Naming | null = NAMING): unknown {
  try {
    return kindHeaders(dataset, kind, naming);
  } catch (error) {
    if (error instanceof VisageError) return [error.code, error.kind];
    throw error;
  }
}
const WRONG = ['bad_operation', 'usage'];
const TIME = '2026-03-10T09:00:00.5+01:00';

test('a stored document is read as it is meant', () => {
  expect(NAMING.namespaces).toEqual(new Map([['email', 2], ['customerId', 1]])); // prettier-ignore
  expect(NAMING.datasets.get('crm')).toEqual({
    behavior: 'record',
    identities: [{ path: ['personalEmail', 'a/b~'], namespace: 'email' }],
  });
  for (const name of ['orders', 'older', 'lost'])
    expect(NAMING.datasets.get(name)).toEqual({ behavior: 'event', identities: [] });
  expect(namingOf({ namespaces: {} })).toEqual({ namespaces: new Map(), datasets: new Map() });
});

test('records: every operation, and when it was last updated', () => {
  expect(headers('crm', {})).toEqual({});
  for (const operation of ['create', 'merge', 'delete'] as const)
    expect(headers('crm', { operation })).toEqual({ 'Visage-Operation': operation });
  expect(headers('crm', { lastUpdated: TIME })).toEqual({ 'Visage-Last-Updated': TIME });
  expect(headers('crm', { lastUpdated: new Date(Date.UTC(2026, 2, 10)) })).toEqual({
    'Visage-Last-Updated': '2026-03-10T00:00:00.000Z',
  });
  expect(headers('crm', { lastUpdated: '2026-03-10' })).toEqual(['bad_header', 'usage']);
  expect(headers('crm', { lastUpdated: new Date(NaN) })).toEqual(['bad_header', 'usage']);
});

test('what is wrong is refused before it is sent', () => {
  expect(headers('crm', { operation: 'erase' })).toEqual(WRONG);
  expect(headers('crm', { operation: 'Merge' as 'merge' })).toEqual(WRONG);
  expect(headers('orders', { operation: 'create' })).toEqual({ 'Visage-Operation': 'create' });
  expect(headers('orders', { operation: 'merge' })).toEqual(WRONG);
  expect(headers('orders', { operation: 'delete' })).toEqual(WRONG);
  expect(headers('orders', { lastUpdated: TIME })).toEqual(WRONG);
  expect(headers('nosuch', { operation: 'merge' })).toEqual({ 'Visage-Operation': 'merge' }); // the shard decides
  expect(headers('orders', { operation: 'merge' }, null)).toEqual({ 'Visage-Operation': 'merge' });
  expect(headers('_profile', {})).toEqual(WRONG);
  expect(headers('_profile', { operation: 'create' }, null)).toEqual(WRONG);
  expect(headers('_profile', { operation: 'delete', lastUpdated: TIME })).toEqual(WRONG);
  expect(headers('_profile', { operation: 'delete' })).toEqual({ 'Visage-Operation': 'delete' });
  expect(headers('_profile', { operation: 'erase' })).toEqual({ 'Visage-Operation': 'erase' });
});
