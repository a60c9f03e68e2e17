// The file of `http.tokensFile`: who may use the HTTP port. YAML or JSON, `tokens: [{ name, sha256, scopes, datasets }]`.
// LT1: the file holds no token, only its SHA-256. One round of it is enough: a token is 256 random bits, which nobody guesses however fast a
//      guess is tried; slow hashes are for passwords that people choose. LT2: no mistake shows what stands in place of a hash: it may be a token.
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { errorText, VisageError } from '../base/errors.ts';
import { SCOPES, type Scope } from '../base/scope.ts';
import { atKey, atValue, readLocated, type LocatedFile } from './located_yaml.ts';
import { MistakesError, type Mistake } from './mistakes.ts';
import { shapeMistakes, typeText } from './shape_mistakes.ts';

/** `datasets`: messages to, and deletes of, these alone; left out: all, and whole profiles. */
export type TokenEntry = {
  readonly name: string;
  /** Of the token, in lower-case hex. */
  readonly sha256: string;
  readonly scopes: readonly Scope[];
  readonly datasets?: readonly string[] | undefined;
};

const TOKENS_MAX = 1_000;
export const TOKEN_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const DATASET = /^[a-z][A-Za-z0-9_-]{0,63}$/;

const ENTRY = z.strictObject({
  name: z.string().regex(TOKEN_NAME, 'must match [A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 characters'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of the token, 64 digits of lower-case hex'),
  scopes: z.array(z.enum(SCOPES)).min(1),
  datasets: z.array(z.string().regex(DATASET, 'must be names of datasets')).min(1).optional(),
});
const FILE = z.strictObject({ tokens: z.array(ENTRY).max(TOKENS_MAX) });
const KNOWN = ['tokens', 'name', 'sha256', 'scopes', 'datasets'];

/** @throws MistakesError `bad_tokens`: every mistake with its place   @throws VisageError `bad_tokens` when the file cannot be read */
export function loadTokens(path: string): readonly TokenEntry[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new VisageError('bad_tokens', `${path}: cannot be read: ${errorText(cause)}`, { cause, kind: 'usage' });
  }
  return parseTokens(path, text);
}

/** @throws MistakesError `bad_tokens` */
export function parseTokens(path: string, text: string): readonly TokenEntry[] {
  const located = readLocated(path, text);
  if (located.mistakes.length > 0) throw new MistakesError('bad_tokens', located.mistakes);
  const { value } = located;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MistakesError('bad_tokens', [
      atValue(located, [], `a file of tokens must be a map with 'tokens', not ${typeText(value)}`),
    ]);
  const checked = FILE.safeParse(value);
  const mistakes = checked.success
    ? repeated(located, checked.data.tokens)
    : shapeMistakes(located, [], value, checked.error.issues, KNOWN);
  if (mistakes.length > 0) throw new MistakesError('bad_tokens', mistakes);
  return checked.data!.tokens;
}

function repeated(located: LocatedFile, tokens: readonly TokenEntry[]): Mistake[] {
  return tokens.flatMap(({ name, sha256 }, n) => {
    const before = tokens.slice(0, n);
    const at = (key: string, message: string): Mistake => atKey(located, ['tokens', n, key], message);
    return [
      ...(before.some((each) => each.name === name) ? [at('name', `two tokens have the name '${name}'`)] : []),
      ...(before.some((each) => each.sha256 === sha256) ? [at('sha256', 'this token stands in the file already')] : []),
    ];
  });
}

/** The entry as text, to be pasted under `tokens:`. */
export function entryText({ name, sha256, scopes, datasets }: TokenEntry): string {
  // quoted: a name may look like a number, a dataset like `true`
  const only = datasets === undefined ? '' : `, datasets: [${datasets.map((each) => `'${each}'`).join(', ')}]`;
  return `  - { name: '${name}', sha256: '${sha256}', scopes: [${scopes.join(', ')}]${only} }`;
}

/** The text of the file with one token more; what else stands in it, comments too, stays.
 *  @param text null: there is no file yet   @throws MistakesError `bad_tokens`: what is there, or what comes of it, cannot be used */
export function withToken(path: string, text: string | null, entry: TokenEntry): string {
  if (text === null || text.trim() === '') return `tokens:\n${entryText(entry)}\n`;
  parseTokens(path, text);
  const document = parseDocument(text, { version: '1.2' });
  document.addIn(['tokens'], document.createNode(entry, { flow: true }));
  const more = document.toString({ lineWidth: 0 });
  parseTokens(path, more);
  return more;
}
