// `get`: one profile, as of a sequence at least, under a merge policy.
import type { Command } from 'commander';
import { VisageError } from '../base/errors.ts';
import { identityKey, identityName } from '../message/identity.ts';
import type { JsonObject } from '../record/json.ts';
import { leafChanges } from '../record/leaf_changes.ts';
import type { Client } from '../worker/client.ts';
import { command, wholeNumber, withClient, type CommonOptions } from './command.ts';
import { askedRight, listOf } from './read_options.ts';
import { print, printJson } from './output.ts';
import { table } from './table.ts';

type GetOptions = CommonOptions & { readonly after?: number; readonly fields?: string; readonly policy?: string };
type View = NonNullable<Awaited<ReturnType<Client['profile']>>>;
type Precision = NonNullable<View['computed'][string]['precision']>;

export function registerGet(program: Command): void {
  command(program, 'get <namespace> <id>', 'print a profile', 'get customerId ada --config worker.yaml')
    .option('--policy <name>', 'the merge policy (default: the default one)')
    .option('--after <sequence>', 'wait until everything up to this sequence is in it', wholeNumber(0))
    .option('--fields <names>', 'only these: computed attributes, paths of record fields, with commas between them')
    .option('--json', 'print one JSON object')
    .action(async (namespace: string, id: string, options: GetOptions) => {
      const identity = { namespace, id };
      identityKey(identity); // wrong names are said before a connection is made
      const { after, policy } = options;
      const query = {
        ...identity,
        ...(after === undefined ? {} : { after }),
        ...(policy === undefined ? {} : { policy }),
        ...(options.fields === undefined ? {} : { fields: listOf(options.fields) }),
      };
      const view = await withClient(options, (client) => askedRight(client.profile(query)));
      if (view === undefined) throw new VisageError('no_profile', `there is no profile ${identityName(identity)}`);
      if (options.json === true) return printJson(view);
      for (const line of describe(view)) await print(line);
    });
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
    ...attributeLines(view),
    ...table(['', '', ''], rows)
      .slice(1)
      .map((line) => `  ${line.trimEnd()}`),
    ...(view.audiences.length === 0 ? [] : [`  audiences: ${view.audiences.join(', ')}`]),
  ];
}

/** A line for every leaf, and the policy that they were merged by. */
function attributeLines({ attributes, policy, stitching }: View): string[] {
  const leaves = leafChanges({}, attributes as JsonObject, 'attributes');
  if (leaves.length === 0) return [];
  const rows = leaves.map(({ path, after }) => [path.replace(/^attributes\.?/, ''), JSON.stringify(after)]);
  const unstitched = stitching === undefined ? '' : ', this identity alone: there is no graph yet';
  return [
    ...table(['', ''], rows)
      .slice(1)
      .map((line) => `  ${line}`),
    `  merged by policy ${policy}${unstitched}`,
  ];
}

function precisionText(precision: Precision): string {
  if (precision.mode === 'tiled') return `its window may begin up to ${precision.hop} too early`;
  return `estimated, ± ${(precision.standardError * 100).toFixed(1)} %`;
}
