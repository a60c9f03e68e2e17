// The file of tokens: what it may hold, and that a mistake has a place and shows no secret.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { entryText, loadTokens, parseTokens, withToken, type TokenEntry } from '../../../src/definitions/load_tokens.ts';
import { MistakesError } from '../../../src/definitions/mistakes.ts';
import { rejectionOf } from '../../support/eventually.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const SHOP: TokenEntry = { name: 'shop', sha256: A, scopes: ['write'], datasets: ['orders'] };

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'visage-tokens-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function mistakesOf(text: string): string {
  try {
    parseTokens('tokens.yaml', text);
  } catch (error) {
    if (error instanceof MistakesError && error.code === 'bad_tokens') return error.message;
    throw error;
  }
  return '';
}

test('YAML and JSON', () => {
  const tokens = [SHOP, { name: 'support', sha256: B, scopes: ['read', 'delete', 'admin'] }];
  expect(
    parseTokens(
      'x',
      `tokens:\n  - { name: shop, sha256: ${A}, scopes: [write], datasets: [orders] }\n  - name: support\n    sha256: ${B}\n    scopes: [read, delete, admin]\n`,
    ),
  ).toEqual(tokens);
  expect(parseTokens('x', JSON.stringify({ tokens }))).toEqual(tokens);
  expect(parseTokens('x', 'tokens: []')).toEqual([]); // nobody may
});

test.each<[string, string, string]>([
  ['nothing', '', "tokens.yaml:1:1: a file of tokens must be a map with 'tokens', not empty"],
  ['a list', '- a', "tokens.yaml:1:1: a file of tokens must be a map with 'tokens', not a list"],
  ['no YAML', 'tokens: [', 'tokens.yaml:1:'],
  ['another key', 'token: []', "tokens.yaml:1:1: unknown key 'token' (did you mean 'tokens'?)"],
  ['no hash', 'tokens:\n  - { name: a, scopes: [read] }', "tokens.yaml:2:5: 'sha256' is missing; it must be text"],
  [
    'a scope that is none',
    `tokens:\n  - { name: a, sha256: ${A}, scopes: [write, reed] }`,
    "unsupported value 'reed' of '1' (did you mean 'read'?)",
  ],
  ['no scope', `tokens:\n  - { name: a, sha256: ${A}, scopes: [] }`, "'scopes' must not be empty"],
  ['no dataset', `tokens:\n  - { name: a, sha256: ${A}, scopes: [read], datasets: [] }`, "'datasets' must not be empty"],
  [
    'a dataset that is none',
    `tokens:\n  - { name: a, sha256: ${A}, scopes: [read], datasets: [_profile] }`,
    'must be names of datasets',
  ],
  ['a name that is none', `tokens:\n  - { name: 'a b', sha256: ${A}, scopes: [read] }`, "'name': must match"],
  [
    'a name twice',
    `tokens:\n  - { name: a, sha256: ${A}, scopes: [read] }\n  - { name: a, sha256: ${B}, scopes: [read] }`,
    "tokens.yaml:3:7: two tokens have the name 'a'",
  ],
  [
    'a token twice',
    `tokens:\n  - { name: a, sha256: ${A}, scopes: [read] }\n  - { name: b, sha256: ${A}, scopes: [read] }`,
    'stands in the file already',
  ],
])('%s is a mistake with its place', (_, text, expected) => {
  expect(mistakesOf(text)).toContain(expected);
});

test('a token in place of its hash is not repeated', () => {
  const said = mistakesOf('tokens:\n  - { name: a, sha256: visage_secret, scopes: [read] }');
  expect(said).toMatch(/^tokens\.yaml:2:\d+: 'sha256': must be the SHA-256 of the token/);
  expect(said).not.toContain('secret');
});

test('a file that is not there says which', async () => {
  const path = join(folder, 'none.yaml');
  const error = await rejectionOf(Promise.resolve().then(() => loadTokens(path)));
  expect(error).toMatchObject({ code: 'bad_tokens', kind: 'usage', message: expect.stringContaining(path) });
  writeFileSync(path, `tokens: [{ name: shop, sha256: ${A}, scopes: [write], datasets: [orders] }]`);
  expect(loadTokens(path)).toEqual([SHOP]);
});

test.each<[string, TokenEntry]>([
  ['a plain one', SHOP],
  ['names that YAML takes for something else', { name: '123', sha256: B, scopes: ['read'], datasets: ['true', 'null'] }],
])('an entry is pasted, or added: %s', (_, entry) => {
  expect(parseTokens('x', `tokens:\n${entryText(entry)}\n`)).toEqual([entry]);
  expect(parseTokens('x', withToken('x', null, entry))).toEqual([entry]);
  const first: TokenEntry = { name: 'first', sha256: 'c'.repeat(64), scopes: ['admin'] };
  for (const text of [
    `# who may\ntokens:\n${entryText(first)} # and why\n`,
    `tokens:\n  - name: first\n    sha256: ${first.sha256}\n    scopes: [admin]\n`,
    JSON.stringify({ tokens: [first] }),
  ])
    expect(parseTokens('x', withToken('x', text, entry))).toEqual([first, entry]);
  const kept = withToken('x', `# who may\ntokens:\n${entryText(first)} # and why\n`, entry);
  expect(kept).toMatch(/^# who may\n/);
  expect(kept).toContain('# and why');
});

test('what would be wrong is not added', () => {
  const text = withToken('x', null, SHOP);
  expect(() => withToken('x', text, { ...SHOP, sha256: B })).toThrow(/two tokens have the name/);
  expect(() => withToken('x', 'tokens: 5', SHOP)).toThrow(/must be a list/);
});
