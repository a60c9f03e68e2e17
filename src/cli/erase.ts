// `erase`: everything about one identity, out of state, log, dead letters and files; with a receipt.
import type { Command } from 'commander';
import { createInterface } from 'node:readline/promises';
import { identityKey, identityName } from '../message/identity.ts';
import { describeStep } from '../worker/erase_jobs.ts';
import { eraseProfile } from '../worker/erase_profile.ts';
import { command, withClient, type CommonOptions } from './command.ts';
import { WrongUse } from './failure.ts';
import { refuseUnknownPerson } from './live_admission.ts';
import { print, printJson, remark } from './output.ts';

type EraseOptions = CommonOptions & { readonly yes?: boolean };
type Receipt = Awaited<ReturnType<typeof eraseProfile>>;

export function registerErase(program: Command): void {
  command(
    program,
    'erase <namespace> <id>',
    'erase an identity: its profile, its messages in the log and among the dead letters, and every byte of both; it cannot be undone',
    'erase customerId ada --yes --config worker.yaml',
  )
    .option('--yes', 'do not ask')
    .option('--json', 'print the receipt as one JSON object')
    .action(async (namespace: string, id: string, options: EraseOptions) => {
      const identity = { namespace, id };
      identityKey(identity); // wrong names are said before a connection is made
      const receipt = await withClient(options, async (client) => {
        await refuseUnknownPerson(client, identity);
        if (options.yes !== true) await confirm(identityName(identity));
        return eraseProfile(client, identity, {
          onStep: ({ step, problem }) => remark(problem === null ? describeStep(step) : `waiting: ${problem}`),
        });
      });
      if (options.json === true) return printJson(receipt);
      for (const line of describe(receipt)) await print(line);
    });
}

async function confirm(name: string): Promise<void> {
  if (!process.stdin.isTTY) throw new WrongUse('erase cannot be undone: say --yes where nobody can be asked');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`Erase ${name}? This cannot be undone. Type yes: `);
  lines.close();
  if (answer.trim() !== 'yes') throw new WrongUse('nothing was erased');
}

function describe(receipt: Receipt): string[] {
  const { hash, shard, sequence, messages, deadLetters, erasedAt, compactedAt, changesGoneBy } = receipt;
  return [
    `erased at ${erasedAt}, as ${hash}`,
    ...(messages === 0 && deadLetters === 0 ? ['  nothing was in the log about this identity: is it the right one?'] : []),
    `  ${messages} messages of shard ${shard} before sequence ${sequence}, ${deadLetters} dead letters; files rewritten at ${compactedAt}`,
    changesGoneBy === null
      ? '  its change events stay: the change stream keeps everything (changes.maxAge: 0)'
      : `  its change events have aged out by ${changesGoneBy}`,
  ];
}
