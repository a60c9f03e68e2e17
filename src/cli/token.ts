// `token`: makes a token for the HTTP port. TK1: it is shown once, and nowhere kept: the file has its SHA-256.
// TK2: a file is replaced whole, and only by one that can be used: a worker that reads it meanwhile sees the old or the new one.
import { InvalidArgumentError, type Command } from 'commander';
import { hash, randomBytes } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { SCOPES, type Scope } from '../base/scope.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import { entryText, TOKEN_NAME, withToken, type TokenEntry } from '../definitions/load_tokens.ts';
import { WrongUse } from './failure.ts';
import { print, printJson, remark } from './output.ts';

/** 256 bits: nobody guesses them. */
const BYTES = 32;
/** So that tools that look for secrets in texts know one. */
const PREFIX = 'visage_';
const OWNER_ONLY = 0o600;

type TokenOptions = {
  readonly scopes: readonly Scope[];
  readonly datasets?: readonly string[];
  readonly file?: string;
  readonly json?: boolean;
};

export function registerToken(program: Command): void {
  program
    .command('token <name>')
    .description('make a token for the HTTP port: prints it, once, and the entry for the file that http.tokensFile names')
    .requiredOption(
      '--scopes <list>',
      `what it may do, with commas: ${SCOPES.join(', ')} (admin erases; none implies another)`,
      scopes,
    )
    .option('--datasets <list>', 'messages to, and deletes of, these datasets only', names)
    .option('--file <file>', 'add the entry to this file, which is made if it is not there')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Example:
  $ npx visage token shop --scopes write --datasets orders --file tokens.yaml
  $ npx visage token support --scopes read,delete`,
    )
    .action(token);
}

async function token(name: string, { scopes: allowed, datasets, file, json }: TokenOptions): Promise<void> {
  if (!TOKEN_NAME.test(name)) throw new WrongUse(`the name must match ${TOKEN_NAME.source}`);
  const made = PREFIX + randomBytes(BYTES).toString('base64url');
  const entry: TokenEntry = {
    name,
    sha256: hash('sha256', made, 'hex'),
    scopes: allowed,
    ...(datasets !== undefined && { datasets }),
  };
  if (file !== undefined) await addTo(file, entry);
  if (json === true) return printJson({ token: made, ...entry });
  await print(made);
  if (file !== undefined) return remark(`added to ${file}: '${name}'. The token is not shown again`);
  remark('The token is not shown again. Under `tokens:` in the file that http.tokensFile names:');
  await print(entryText(entry));
}

async function addTo(file: string, entry: TokenEntry): Promise<void> {
  const before = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  const mode = before === null ? OWNER_ONLY : (await stat(file)).mode & 0o777;
  const text = withToken(file, before, entry);
  const partial = `${file}.${process.pid}.partial`;
  try {
    await writeFile(partial, text, { mode, flush: true });
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

function scopes(text: string): readonly Scope[] {
  const list = names(text);
  for (const each of list)
    if (!(SCOPES as readonly string[]).includes(each))
      throw new InvalidArgumentError(`'${each}' is no scope${didYouMean(each, SCOPES)}; there are ${SCOPES.join(', ')}.`);
  return list as readonly Scope[];
}

function names(text: string): readonly string[] {
  const list = [...new Set(text.split(',').map((each) => each.trim()))];
  if (list.includes('')) throw new InvalidArgumentError('It must be names with commas between them.');
  return list;
}
