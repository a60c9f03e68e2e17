// `explain`: the events behind a computed value, newest first, and when it changes next; or who says what about a field of the records.
import type { Command } from 'commander';
import { VisageError } from '../base/errors.ts';
import { identityKey, identityName } from '../message/identity.ts';
import type { Client } from '../worker/client.ts';
import { command, wholeNumber, withClient, type CommonOptions } from './command.ts';
import { describeField } from './explain_field.ts';
import { print, printJson } from './output.ts';
import { askedRight } from './read_options.ts';
import { table } from './table.ts';

type ExplainOptions = CommonOptions & { readonly after?: number; readonly limit?: number; readonly policy?: string };
type Explanation = NonNullable<Awaited<ReturnType<Client['explain']>>>;

/** As long as a worker gives: who asks why can wait. */
const TIMEOUT_MS = 30_000;
const LIMIT_MAX = 10_000;

export function registerExplain(program: Command): void {
  command(
    program,
    'explain <namespace> <id> <field>',
    'why a value is what it is: the events in its window, or the datasets that say something about the field',
    'explain customerId ada spend30d --config worker.yaml',
  )
    .option('--policy <name>', 'of a record field: the merge policy (default: the default one)')
    .option('--limit <n>', 'list at most so many events (default: 100)', wholeNumber(1, LIMIT_MAX))
    .option('--after <sequence>', 'wait until everything up to this sequence is in it', wholeNumber(0))
    .option('--json', 'print one JSON object')
    .action(async (namespace: string, id: string, field: string, options: ExplainOptions) => {
      const identity = { namespace, id };
      identityKey(identity); // wrong names are said before a connection is made
      const { after, limit, policy } = options;
      const query = {
        ...identity,
        field,
        timeoutMs: TIMEOUT_MS,
        ...(after === undefined ? {} : { after }),
        ...(limit === undefined ? {} : { limit }),
        ...(policy === undefined ? {} : { policy }),
      };
      const explanation = await withClient(options, (client) => askedRight(client.why(query)));
      if (explanation === undefined) throw new VisageError('no_profile', `there is no profile ${identityName(identity)}`);
      if (options.json === true) return printJson(explanation);
      for (const line of 'events' in explanation ? describe(explanation) : describeField(explanation)) await print(line);
    });
}

function describe(explanation: Explanation): string[] {
  const { profile, field, version, shard, sequence, time } = explanation;
  return [
    `${identityName(profile)}  ${field} ${valueText(explanation)}`,
    `  version ${version}, shard ${shard}, sequence ${sequence}, ${time}`,
    ...remarks(explanation).map((line) => `  ${line}`),
    '',
    ...(explanation.inputs === undefined ? eventLines(explanation) : inputLines(explanation.inputs)),
  ];
}

function remarks({ function: name, window, range, timestamp, nextChangeAt, since, precision, missing }: Explanation): string[] {
  const from = range === undefined || range.kind === 'lifetime' ? '' : `: ${range.from} to ${range.to}, both included`;
  return [
    window === undefined ? name : `${name}, window ${window}${from}`,
    ...(timestamp === undefined ? [] : [`from ${timestamp}`]),
    ...(nextChangeAt === undefined ? [] : [`changes at ${nextChangeAt} if nothing else happens`]),
    ...(since === undefined ? [] : [`counts what came after ${since}`]),
    ...(precision === undefined ? [] : [precisionText(precision)]),
    ...(missing === undefined ? [] : [`not whole: ${missing}`]),
  ];
}

function precisionText(precision: NonNullable<Explanation['precision']>): string {
  if (precision.mode === 'tiled') return `not exact: the start of the window is off by at most ${precision.hop}`;
  const { share, standardError } = precision;
  return `not exact: estimated from ${percent(share)} of the values, standard error ${percent(standardError)}`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

function eventLines(explanation: Explanation): string[] {
  const { events, counted, function: name } = explanation;
  const rows = events.map(({ _id, dataset, timestamp, value, sequence, leavesAt, decides }) => [
    decides === true ? '*' : '',
    _id,
    dataset,
    timestamp,
    textOf(value),
    sequence,
    leavesAt ?? '',
  ]);
  const heads = ['', 'event', 'dataset', 'time', 'value', 'sequence', 'leaves at'];
  const decide = events.some((event) => event.decides === true) ? ['* decides the value', ''] : [''];
  const shown = explanation.truncated === true ? `, ${events.length} of them listed` : '';
  const aged = explanation.agedOut === undefined ? '' : `, ${explanation.agedOut} past their time to live and not listed`;
  return [
    ...(rows.length === 0 ? [] : [...table(heads, rows), ...decide]),
    `${counted} ${counted === 1 ? 'event' : 'events'}${shown}${aged}, ${name} ${valueText(explanation)}`,
  ];
}

function inputLines(inputs: NonNullable<Explanation['inputs']>): string[] {
  const rows = Object.entries(inputs).map(([name, input]) => [name, valueText(input)]);
  return rows.length === 0 ? ['no inputs'] : table(['input', 'value'], rows);
}

function valueText({ value }: { readonly value?: unknown }): string {
  return value === undefined ? 'absent' : textOf(value);
}

function textOf(value: unknown): string {
  return value === undefined ? '' : typeof value === 'number' ? String(value) : JSON.stringify(value);
}
