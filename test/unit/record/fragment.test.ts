import { describe, expect, it } from 'vitest';
import { admitWrite, Fragment } from '../../../src/record/fragment.ts';

const live = new Fragment(0, 1000, 7, '{"a":[1]}');
const tombstone = new Fragment(0, 1000, 7, null);

const at = (ms: number) => ({ lastUpdatedMs: ms, livesPastMs: ms });
/** Says nothing of when it is of. */
const stored = (ms: number) => ({ lastUpdatedMs: ms, livesPastMs: ms + 0.5 });

describe('a write to a fragment', () => {
  it('is applied when it is newer, or as new: then the later one wins', () => {
    expect(admitWrite(live, at(1001))).toBe('apply');
    expect(admitWrite(live, at(1000))).toBe('apply');
  });

  it('is stale when it is older', () => {
    expect(admitWrite(live, at(999))).toBe('stale');
  });

  it('is applied where there is nothing, however old', () => {
    expect(admitWrite(undefined, at(-1))).toBe('apply');
  });

  it('is dead at a tombstone or before it, and applied after it', () => {
    expect(admitWrite(tombstone, at(999))).toBe('dead');
    expect(admitWrite(tombstone, at(1000))).toBe('dead');
    expect(admitWrite(tombstone, at(1001))).toBe('apply');
    expect([admitWrite(tombstone, stored(999)), admitWrite(tombstone, stored(1000))]).toEqual(['dead', 'apply']);
  });
});

it('a record is parsed for whoever asks; a tombstone has none', () => {
  expect(live.record()).toEqual({ a: [1] });
  expect(live.record()).not.toBe(live.record());
  expect(tombstone.record()).toBeUndefined();
});
