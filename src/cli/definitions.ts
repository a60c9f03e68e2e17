// `definitions check`, `apply`, `list`: a file before it is live, what it adds, what is live and since when.
import type { Command } from 'commander';
import { VisageError } from '../base/errors.ts';
import { formatTime } from '../base/time.ts';
import { compilePlan } from '../definitions/compile_plan.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { loadDefinitionsFile } from '../definitions/load_definitions.ts';
import { definitionsWarnings } from '../definitions/definitions_warnings.ts';
import { beyondTheLog, shownBeyondTheLog } from '../definitions/log_reach.ts';
import { windowText } from '../definitions/window_definition.ts';
import { applyDefinitions, type Applied } from '../worker/apply_definitions.ts';
import { liveDefinitions, type RevisionStart } from '../worker/list_definitions.ts';
import { command, settingsOf, withClient, type CommonOptions } from './command.ts';
import { print, printJson, remark } from './output.ts';
import { table } from './table.ts';

export function registerDefinitions(program: Command): void {
  const definitions = program
    .command('definitions')
    .description('what is computed: check a file, make its additions live, list what is live')
    .helpCommand(false);
  command(
    definitions,
    'check <path>',
    'read a file or folder of definitions and print every mistake with its place',
    'definitions check config/definitions.example.yaml',
  )
    .option('--json', 'print one JSON object')
    .action(check);
  command(
    definitions,
    'apply <path>',
    'make what the file adds to the live definitions live, while the workers run',
    'definitions apply definitions.yaml --config worker.yaml',
  )
    .option('--json', 'print one JSON object')
    .action(apply);
  command(
    definitions,
    'list',
    'print what is live, each attribute with its window, revision and since when',
    'definitions list --config worker.yaml',
  )
    .option('--json', 'print one JSON object')
    .action(list);
}

async function check(path: string, options: CommonOptions): Promise<void> {
  const document = loadDefinitionsFile(path);
  compilePlan(document);
  const logMaxAgeMs = options.config === undefined ? 0 : settingsOf(options).log.maxAgeMs;
  const warnings = [
    ...definitionsWarnings(document),
    ...beyondTheLog(document, logMaxAgeMs),
    ...shownBeyondTheLog(document, logMaxAgeMs),
  ];
  const { namespaces, schemas, datasets, mergePolicies, computedAttributes } = document.data;
  const attributes = [...computedAttributes.values()];
  const counts = {
    namespaces: namespaces.size,
    schemas: schemas.size,
    datasets: datasets.size,
    mergePolicies: mergePolicies.size,
    computedAttributes: attributes.length,
    expressions: attributes.filter(({ expression }) => expression !== null).length,
    audiences: attributes.filter(({ audience }) => audience).length,
  };
  if (options.json === true) return printJson({ hash: document.hash, ...counts, warnings });
  for (const warning of warnings) remark(`warning: ${warning}`);
  const of = [counted(counts.expressions, 'expression'), counted(counts.audiences, 'audience')].join(', ');
  const sections = [
    counted(counts.computedAttributes, 'computed attribute') + ` (${of})`,
    counted(counts.datasets, 'dataset'),
    ...(counts.mergePolicies === 0 ? [] : [counted(counts.mergePolicies, 'merge policy', 'merge policies')]),
    counted(counts.schemas, 'schema'),
    counted(counts.namespaces, 'namespace'),
  ];
  await print(`good: ${sections.join(', ')}`);
}

async function apply(path: string, options: CommonOptions): Promise<void> {
  const settings = settingsOf(options);
  const file = loadDefinitionsFile(path);
  const applied = await withClient(options, (client) => applyDefinitions(client, settings, file));
  if (options.json === true) await printJson(applied);
  else {
    for (const addition of applied.added) await print(`added  ${addition}`);
    if (applied.added.length === 0) await print('same   everything in the file is live already');
    await print(`live   definitions ${applied.hash.slice(0, 12)}, revision ${applied.revision}: ${progress(applied)}`);
  }
  if (applied.waiting.length > 0) {
    const shards = applied.waiting.map(
      ({ shard, state, reason }) => `${shard} (${state}${reason === null ? '' : `: ${reason}`})`,
    );
    throw new VisageError(
      'not_in_force',
      `the definitions are live, but these shards have not applied them yet: ${shards.join(', ')}`,
      { kind: 'retry' },
    );
  }
}

function progress({ inForce, waiting, partitions }: Applied): string {
  if (inForce.length + waiting.length === 0)
    return `no worker answers; ${counted(partitions, 'shard')} will have them when one starts`;
  return `${inForce.length} of ${counted(inForce.length + waiting.length, 'shard')} have them`;
}

async function list(options: CommonOptions): Promise<void> {
  const { document, since } = await withClient(options, liveDefinitions);
  const { datasets, computedAttributes } = document.data;
  if (options.json === true) {
    return printJson({
      hash: document.hash,
      datasets: [...datasets].map(([name, dataset]) => ({ name, ...dataset, since: timesOf(since.get(dataset.revision)) })),
      computedAttributes: [...computedAttributes].map(([name, attribute]) => ({
        name,
        ...attribute,
        window: attribute.function === 'expression' ? null : windowText(attribute.window),
        since: timesOf(since.get(attribute.revision)),
      })),
    });
  }
  await print(`live  definitions ${document.hash.slice(0, 12)}`);
  const datasetRows = [...datasets].map(([name, { revision }]) => [name, revision, sinceText(since.get(revision))]);
  for (const line of table(['dataset', 'revision', 'since'], datasetRows)) await print(line);
  for (const line of table(['computed attribute', 'function', 'window', 'revision', 'since'], rowsOf(document, since)))
    await print(line);
}

function rowsOf(document: DefinitionsDocument, since: ReadonlyMap<number, RevisionStart>): (string | number)[][] {
  return [...document.data.computedAttributes].map(([name, { function: function_, window, audience, revision }]) => [
    name,
    audience ? `${function_}, audience` : function_,
    function_ === 'expression' ? '-' : windowText(window),
    revision,
    sinceText(since.get(revision)),
  ]);
}

function timesOf(start: RevisionStart | undefined): Record<string, unknown> | null {
  if (start === undefined) return null;
  const { earliestMs, latestMs, exact, shards } = start;
  return { earliest: formatTime(earliestMs), latest: formatTime(latestMs), exact, shards };
}

function sinceText(start: RevisionStart | undefined): string {
  if (start === undefined) return 'not yet';
  const { earliestMs, latestMs, exact } = start;
  const last = latestMs === earliestMs ? '' : ` to ${formatTime(latestMs)}`;
  return `${exact ? '' : 'at the latest '}${formatTime(earliestMs)}${last}`;
}

function counted(n: number, noun: string, plural = `${noun}s`): string {
  return `${n} ${n === 1 ? noun : plural}`;
}
