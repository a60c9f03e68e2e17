// `get`: one profile, as of a sequence at least.
import type { Command } from 'commander';
import { VisageError } from '../base/errors.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import { identityKey, identityName } from '../message/identity.ts';
import type { Client } from '../worker/client.ts';
import { command, wholeNumber, withClient, type CommonOptions } from './command.ts';
import { WrongUse } from './failure.ts';
import { print, printJson } from './output.ts';
import { table } from './table.ts';

type GetOptions = CommonOptions & { readonly after?: number; readonly fields?: string };
type Precision = NonNullable<View['computed'][string]['precision']>;
type View = NonNullable<Awaited<ReturnType<Client['profile']>>>;

export function registerGet(program: Command): void {
  command(program, 'get <namespace> <id>', 'print a profile', 'get customerId ada --config worker.yaml')
    .option('--after <sequence>', 'wait until everything up to this sequence is in it', wholeNumber(0))
    .option('--fields <names>', 'only these computed attributes, with commas between them')
    .option('--json', 'print one JSON object')
    .action(async (namespace: string, id: string, options: GetOptions) => {
      const identity = { namespace, id };
      identityKey(identity); // wrong names are said before a connection is made
      const view = await withClient(options, async (client) => {
        const names = options.fields === undefined ? undefined : await knownFields(client, options.fields);
        const found = await client.profile({ ...identity, ...(options.after === undefined ? {} : { after: options.after }) });
        return found === undefined || names === undefined ? found : onlyFields(found, names);
      });
      if (view === undefined) throw new VisageError('no_profile', `there is no profile ${identityName(identity)}`);
      if (options.json === true) return printJson(view);
      for (const line of describe(view)) await print(line);
    });
}

/** The names behind `a,b`, each with or without `computed.` before it. */
async function knownFields(client: Client, text: string): Promise<ReadonlySet<string>> {
  const live = await client.meta.liveDefinitions();
  const known = live === undefined ? [] : (await client.plan(live)).attributes.map((attribute) => attribute.name);
  const names = text.split(',').map((name) => name.trim().replace(/^computed\./, ''));
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new WrongUse(`there is no field '${unknown}'${didYouMean(unknown, known)}; known: ${known.join(', ')}`);
  return new Set(names);
}

function onlyFields(view: View, names: ReadonlySet<string>): View {
  return {
    ...view,
    computed: Object.fromEntries(Object.entries(view.computed).filter(([name]) => names.has(name))),
    audiences: view.audiences.filter((name) => names.has(name)),
  };
}

function describe(view: View): string[] {
  const rows = Object.entries(view.computed).map(([name, { value, timestamp, nextChangeAt, since, precision }]) => [
    name,
    typeof value === 'number' ? String(value) : JSON.stringify(value),
    [
      ...(timestamp === undefined ? [] : [`from ${timestamp}`]),
      ...(nextChangeAt === undefined ? [] : [`changes at ${nextChangeAt}`]),
      ...(since === undefined ? [] : [`counts since ${since}`]),
      ...(precision === undefined ? [] : [precisionText(precision)]),
    ].join(', '),
  ]);
  return [
    `${identityName(view.profile)}  version ${view.version}, shard ${view.shard}, sequence ${view.sequence}, ${view.time}`,
    ...table(['', '', ''], rows)
      .slice(1)
      .map((line) => `  ${line.trimEnd()}`),
    ...(view.audiences.length === 0 ? [] : [`  audiences: ${view.audiences.join(', ')}`]),
  ];
}

function precisionText(precision: Precision): string {
  if (precision.mode === 'tiled') return `its window may begin up to ${precision.hop} too early`;
  return `estimated, ± ${(precision.standardError * 100).toFixed(1)} %`;
}
