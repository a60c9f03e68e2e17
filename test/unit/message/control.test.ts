import { describe, expect, it } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import {
  DEFAULT_FOLD_SETTINGS,
  encodeControl,
  parseControl,
  sameSettings,
  type ControlMessage,
} from '../../../src/message/control.ts';
import { fingerprint } from '../../../src/message/fingerprint.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('control messages', () => {
  it('round-trip', () => {
    const all: ControlMessage[] = [
      { kind: 'tick' },
      { kind: 'tick', timeMs: 1_296_518_400_000 },
      { kind: 'cut', id: 'é"1' },
      { kind: 'definitions', hash: 'ab', foldVersion: 1, settings: { ...DEFAULT_FOLD_SETTINGS, depth: 3 } },
      { kind: 'definitions', hash: 'ab', foldVersion: 1, settings: { ...DEFAULT_FOLD_SETTINGS, exactEvents: Infinity } },
    ];
    for (const message of all) expect(parseControl(message.kind, encodeControl(message))).toEqual(message);
  });

  it.each([
    ['erase', '{}'],
    ['', ''],
    ['tick', 'x'],
    ['tick', '{"timeMs":1.5}'],
    ['cut', ''],
    ['cut', '{}'],
    ['cut', 'null'],
    ['cut', '{"id":1}'],
    ['definitions', '{'],
    ['definitions', '{"hash":"a","foldVersion":1}'],
    ['definitions', '{"hash":"a","foldVersion":1,"settings":{}}'],
    ['definitions', '{"hash":"a","foldVersion":"1","settings":{}}'],
    ['cut', '\xff'],
  ])('stops the shard at %s %s', (kind, body) => {
    const parse = () => parseControl(kind, bytes(body));
    expect(parse).toThrow(VisageError);
    expect(parse).toThrow(expect.objectContaining({ code: 'unknown_control', kind: 'stop_shard' }));
  });

  it('compares settings', () => {
    expect(sameSettings(DEFAULT_FOLD_SETTINGS, { ...DEFAULT_FOLD_SETTINGS })).toBe(true);
    for (const name of Object.keys(DEFAULT_FOLD_SETTINGS))
      expect(sameSettings(DEFAULT_FOLD_SETTINGS, { ...DEFAULT_FOLD_SETTINGS, [name]: 1 })).toBe(false);
  });
});

describe('fingerprint', () => {
  it('depends on stamp, subject and body', () => {
    const base = { stampMs: 1, subject: 'a', body: bytes('x') };
    const all = [
      base,
      { ...base, stampMs: 2 },
      { ...base, subject: 'b' },
      { ...base, body: bytes('y') },
      { ...base, body: bytes('') },
      { ...base, body: bytes('xx') },
    ];
    expect(new Set(all.map(fingerprint)).size).toBe(all.length);
    expect(fingerprint(base)).toMatch(/^[0-9a-f]{16}$/);
    expect(fingerprint({ ...base, body: bytes('x') })).toBe(fingerprint(base));
  });
});
