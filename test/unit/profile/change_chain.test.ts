// Links of chains: which event may follow on which.
import { describe, expect, test } from 'vitest';
import { ChangeChain } from '../../../src/profile/change_chain.ts';
import type { ChangeEvent } from '../../../src/profile/change_event.ts';

const FIRST = '/visage/VISAGE_LOG/3';
const SECOND = `${FIRST}/2`;

type Made = { id?: string; version: number; previousVersion: number; source?: string; type?: 'created' | 'updated' | 'deleted' };

function event({ id = 'ada', version, previousVersion, source = FIRST, type = 'updated' }: Made): ChangeEvent {
  const profile = id.length === 64 ? { namespace: 'erased', id } : { namespace: 'customerId', id };
  return {
    specversion: '1.0',
    id: `3-${version}-1`,
    source,
    type: `visage.profile.${type}`,
    subject: `${profile.namespace}:${id}`,
    time: '2026-03-10T09:00:00.000Z',
    datacontenttype: 'application/json',
    data: {
      profile,
      version,
      previousVersion,
      sequence: version,
      cause: [],
      changes: [],
      audiences: { entered: [], exited: [] },
    },
  };
}

function follow(...events: readonly Made[]): string[] {
  const chain = new ChangeChain();
  return events.map((each) => chain.take(event(each)));
}

test('the first that is seen is believed; the next ones must follow on it', () => {
  expect(
    follow(
      { version: 7, previousVersion: 4 },
      { version: 9, previousVersion: 7 },
      { id: 'bob', version: 10, previousVersion: 2 },
      { version: 12, previousVersion: 9 },
      { id: 'bob', version: 11, previousVersion: 10 },
    ),
  ).toEqual(['next', 'next', 'next', 'next', 'next']);
});

test('what was seen is repeated; what skips one is broken, and the chain goes on from there', () => {
  expect(
    follow(
      { version: 7, previousVersion: 4 },
      { version: 7, previousVersion: 4 },
      { version: 5, previousVersion: 4 },
      { version: 12, previousVersion: 9 },
      { version: 13, previousVersion: 12 },
      { version: 15, previousVersion: 13 },
      { version: 16, previousVersion: 13 },
    ),
  ).toEqual(['next', 'repeated', 'repeated', 'broken', 'next', 'next', 'broken']);
});

test('through a deletion the chain goes on', () => {
  expect(
    follow(
      { version: 1, previousVersion: 0, type: 'created' },
      { version: 2, previousVersion: 1, type: 'deleted' },
      { version: 5, previousVersion: 2, type: 'created' },
      { version: 8, previousVersion: 0, type: 'created' },
    ),
  ).toEqual(['next', 'next', 'next', 'broken']);
});

test('who was erased, and is there again, follows on the erasure', () => {
  const hash = '0'.repeat(64);
  expect(
    follow(
      { version: 1, previousVersion: 0, type: 'created' },
      { id: hash, version: 4, previousVersion: 1, type: 'deleted' },
      { id: hash, version: 4, previousVersion: 1, type: 'deleted' },
      { version: 6, previousVersion: 4, type: 'created' },
      { version: 9, previousVersion: 5 },
    ),
  ).toEqual(['next', 'next', 'repeated', 'next', 'broken']);
});

describe('a later generation', () => {
  test('begins every chain anew: at 0, or at one number for all', () => {
    expect(
      follow(
        { id: 'a', version: 7, previousVersion: 4 },
        { id: 'b', version: 8, previousVersion: 4 },
        { id: 'c', version: 9, previousVersion: 4 },
        { id: 'd', version: 10, previousVersion: 4 },
        { id: 'a', version: 11, previousVersion: 0, source: SECOND },
        { id: 'b', version: 12, previousVersion: 11, source: SECOND },
        { id: 'c', version: 13, previousVersion: 11, source: SECOND },
        { id: 'd', version: 14, previousVersion: 12, source: SECOND },
        { id: 'a', version: 15, previousVersion: 11, source: SECOND },
      ),
    ).toEqual(['next', 'next', 'next', 'next', 'next', 'next', 'next', 'broken', 'next']);
  });

  test('after it, the one before says nothing any more', () => {
    expect(follow({ version: 7, previousVersion: 0, source: SECOND }, { version: 9, previousVersion: 7 })).toEqual([
      'next',
      'broken',
    ]);
  });

  test('may not have somebody: created later, they begin at 0', () => {
    expect(
      follow(
        { version: 7, previousVersion: 4 },
        { version: 11, previousVersion: 0, source: SECOND, type: 'deleted' },
        { version: 20, previousVersion: 0, source: SECOND, type: 'created' },
        { version: 21, previousVersion: 0, source: SECOND, type: 'created' },
      ),
    ).toEqual(['next', 'next', 'next', 'broken']);
  });
});

test('it remembers so many profiles, and lets go of those that were quiet for longest', () => {
  const chain = new ChangeChain(2);
  const take = (id: string, version: number, previousVersion: number): string =>
    chain.take(event({ id, version, previousVersion }));
  expect([take('a', 1, 0), take('b', 2, 0), take('a', 3, 1), take('c', 4, 0)]).toEqual(['next', 'next', 'next', 'next']);
  expect(chain.size).toBe(2);
  expect([take('a', 5, 2), take('b', 9, 7), take('b', 10, 8)]).toEqual(['broken', 'next', 'broken']);
});
