import { describe, expect, it } from 'vitest';
import { admitWrite, Fragment } from '../../../src/record/fragment.ts';

const live = new Fragment(0, 1000, 7, '{"a":[1]}');
const tombstone = new Fragment(0, 1000, 7, null);

describe('a write to a fragment', () => {
  it('is applied when it is newer, or as new: then the later one wins', () => {
    expect(admitWrite(live, 1001)).toBe('apply');
    expect(admitWrite(live, 1000)).toBe('apply');
  });

  it('is stale when it is older', () => {
    expect(admitWrite(live, 999)).toBe('stale');
  });

  it('is applied where there is nothing, however old', () => {
    expect(admitWrite(undefined, -1)).toBe('apply');
  });

  it('is dead at a tombstone or before it, and applied after it', () => {
    expect(admitWrite(tombstone, 999)).toBe('dead');
    expect(admitWrite(tombstone, 1000)).toBe('dead');
    expect(admitWrite(tombstone, 1001)).toBe('apply');
  });
});

it('a record is parsed for whoever asks; a tombstone has none', () => {
  expect(live.record()).toEqual({ a: [1] });
  expect(live.record()).not.toBe(live.record());
  expect(tombstone.record()).toBeUndefined();
});
