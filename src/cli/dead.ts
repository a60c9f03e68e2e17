// `dead list`, `show`, `replay`: what was refused and why; and sending it again after a repair.
import { InvalidArgumentError, type Command } from 'commander';
import { VisageError } from '../base/errors.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import { REFUSAL_REASONS, type RefusalReason } from '../message/refusal.ts';
import type { Client } from '../worker/client.ts';
import { command, wholeNumber, withClient, type CommonOptions } from './command.ts';
import { linesOf, readLetter, readLetters, sha256, summaryOf, wholeBody, type Letter, type LetterFilter } from './dead_letter.ts';
import { WrongUse } from './failure.ts';
import { knownAdmission } from './live_admission.ts';
import { lineWriter, print, printJson } from './output.ts';
import { number } from './progress.ts';
import { RETRY_FOR_MS } from './publish.ts';
import { ReplayLedger, type LetterState } from './replay_ledger.ts';
import { identityKey, partitionOf, type Identity } from '../message/identity.ts';
import { note, replayLetters, type ReplayReport } from './replay_letters.ts';

type ListOptions = CommonOptions & LetterFilter & { readonly limit?: number };
type ShowOptions = CommonOptions & { readonly body?: boolean };
type ReplayOptions = CommonOptions &
  LetterFilter & { readonly all?: boolean; readonly dryRun?: boolean; readonly again?: boolean };

const REPLAYED_TEXT: Readonly<Record<LetterState, string>> = {
  new: 'no',
  begun: 'perhaps: a replay of it was interrupted, or runs now',
  done: 'yes',
};

export function registerDead(program: Command): void {
  const dead = program.command('dead').description('messages that were refused').helpCommand(false);
  withFilter(
    command(dead, 'list', 'print the refused messages, oldest first, each with its reasons', 'dead list --config worker.yaml'),
  )
    .option('--limit <n>', 'at most so many', wholeNumber(1))
    .option('--json', 'print one JSON object a line, with the body')
    .action(list);
  command(dead, 'show <sequence>', 'print one refused message in full', 'dead show 17 --config worker.yaml')
    .option('--body', 'only its body, byte for byte as it came')
    .option('--json', 'print one JSON object')
    .action(show);
  withFilter(
    command(
      dead,
      'replay [sequence...]',
      'publish refused messages again, after a repair, to the subjects and with the headers that they had',
      'dead replay 17 18 --config worker.yaml',
    ),
  )
    .option('--all', 'all of them')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--again', 'also those that were replayed before')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
  $ npx visage dead replay --reason unknown_dataset --dataset loyalty --dry-run --config worker.yaml

The sequences are those that 'dead list' begins its lines with. A message is read from the log; one that is gone from there is taken from its
letter, if that has all of it. Each is replayed once: the meta bucket remembers which were. A record that did not say when it was last
updated gets the time at which the log first stored it, so that it never wins over what was written since. Deletes of whole profiles
count from when they are replayed: they have to be named.`,
    )
    .action(replay);
}

function withFilter(of: Command): Command {
  return of
    .option('--reason <reason>', 'only those with this reason', reasonOf)
    .option('--dataset <name>', 'only those of this dataset');
}

function reasonOf(text: string): RefusalReason {
  const reason = REFUSAL_REASONS.find((known) => known === text);
  if (reason !== undefined) return reason;
  throw new InvalidArgumentError(`It is none${didYouMean(text, REFUSAL_REASONS)}; known: ${REFUSAL_REASONS.join(', ')}.`);
}

function filterOf({ reason, dataset }: LetterFilter): LetterFilter {
  return { ...(reason === undefined ? {} : { reason }), ...(dataset === undefined ? {} : { dataset }) };
}

async function list(options: ListOptions): Promise<void> {
  const out = lineWriter();
  await withClient(options, async (client) => {
    let left = options.limit ?? Infinity;
    for await (const letter of readLetters(client, filterOf(options))) {
      await out.write(options.json === true ? JSON.stringify(letter) : summaryOf(letter));
      if (--left <= 0) break;
    }
    await out.end();
  });
}

async function show(text: string, options: ShowOptions): Promise<void> {
  const deadSequence = sequenceOf(text);
  await withClient(options, async (client) => {
    const letter = await letterAt(client, deadSequence);
    if (letter === undefined) throw new VisageError('no_letter', `there is no dead letter ${deadSequence}, or no longer`);
    if (options.body === true) return void process.stdout.write(await bodyOf(client, letter));
    const state = (await (await ledgerOf(client)).statesOf([deadSequence])).get(deadSequence)!;
    if (options.json === true) return printJson({ ...letter, replayed: state === 'begun' ? null : state === 'done' });
    for (const line of linesOf(letter, REPLAYED_TEXT[state])) await print(line);
  });
}

/** Whole, or not at all. */
async function bodyOf(client: Client, letter: Letter): Promise<Uint8Array> {
  const original = letter.sequence === null ? undefined : await client.message('log', letter.sequence);
  if (original !== undefined && sha256(original.body) === letter.bodySha256) return original.body;
  const body = wholeBody(letter);
  if (body !== undefined) return body;
  throw new VisageError(
    'body_gone',
    `the log has the message no more, and dead letter ${letter.deadSequence} has only a part of its body`,
  );
}

async function replay(texts: readonly string[], options: ReplayOptions): Promise<void> {
  const named = [...new Set(texts.map(sequenceOf))];
  const hasFilter = options.reason !== undefined || options.dataset !== undefined;
  const ways = [named.length > 0, hasFilter, options.all === true].filter(Boolean).length;
  if (ways !== 1)
    throw new WrongUse('say which: their sequences, or --reason and --dataset, or --all (and only one of these three ways)');
  const report = await withClient(options, async (client) => {
    const admission = await knownAdmission(client);
    const missing: number[] = [];
    const letters = named.length > 0 ? lettersAt(client, named, missing) : readLetters(client, filterOf(options));
    const starts = await client.generationStarts();
    const ports = {
      root: client.topology.root,
      original: (sequence: number) => client.message('log', sequence),
      isEvents: (dataset: string) => admission?.datasets.get(dataset)?.behavior === 'event',
      rebuiltAt: (identity: Identity) => starts[partitionOf(identityKey(identity), client.partitions)]!,
      producer: await client.producer({ retryForMs: RETRY_FOR_MS }),
      ledger: await ledgerOf(client),
    };
    const choice = { isNamed: named.length > 0, again: options.again === true, dryRun: options.dryRun === true };
    const found = await replayLetters(letters, ports, choice);
    for (const deadSequence of missing) note(found, 'unusable', deadSequence, 'there is no such dead letter, or no longer');
    return found;
  });
  if (options.json === true) await printJson(report);
  else for (const line of describe(report)) await print(line);
  const left = report.unclear + report.unusable + report.failed;
  if (left > 0) throw new VisageError('not_replayed', `${number(left)} ${left === 1 ? 'was' : 'were'} not replayed`);
}

function describe({ dryRun, replayed, fromLetter, already, unclear, unusable, failed, reasons }: ReplayReport): string[] {
  const from = fromLetter === 0 ? '' : ` (${number(fromLetter)} of them gone from the log, from their letters)`;
  return [
    `${dryRun ? 'would replay' : 'replayed'} ${number(replayed)}${from}`,
    `${number(already)} replayed before, ${number(unclear)} unclear, ${number(unusable)} unusable, ${number(failed)} failed`,
    ...reasons.map(({ deadSequence, why }) => `${deadSequence}: ${why}`),
    ...(reasons.length < unclear + unusable + failed ? ['and more of these'] : []),
  ];
}

async function* lettersAt(client: Client, sequences: readonly number[], missing: number[]): AsyncGenerator<Letter> {
  for (const deadSequence of sequences) {
    const letter = await letterAt(client, deadSequence);
    if (letter === undefined) missing.push(deadSequence);
    else yield letter;
  }
}

async function letterAt(client: Client, deadSequence: number): Promise<Letter | undefined> {
  const message = await client.message('dead', deadSequence);
  return message === undefined ? undefined : readLetter(message, client.topology.root);
}

async function ledgerOf(client: Client): Promise<ReplayLedger> {
  return new ReplayLedger(client.meta, (await client.streamState('dead')).created);
}

function sequenceOf(text: string): number {
  const sequence = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (sequence === 0)
    throw new WrongUse(`'${text}' is not the sequence of a dead letter: 'visage dead list' begins its lines with it`);
  return sequence;
}
