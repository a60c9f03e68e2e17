// `publish`: sending one message.
import { InvalidArgumentError, Option, type Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { parseRfc3339 } from '../base/time.ts';
import type { RecordOperation } from '../message/decode.ts';
import { checkOperation, needsNoBody } from '../producer/message_kind.ts';
import { inputSubject } from '../message/subject.ts';
import { command, settingsOf, withClient, type CommonOptions } from './command.ts';
import { asWrongUse, knownAdmission } from './live_admission.ts';
import { print, printJson } from './output.ts';

/** Somebody waits at the terminal. */
export const RETRY_FOR_MS = 10_000;
const OPERATIONS = ['create', 'merge', 'delete'] as const satisfies readonly RecordOperation[];

type PublishOptions = CommonOptions & { readonly operation?: RecordOperation; readonly lastUpdated?: string };

export function registerPublish(program: Command): void {
  command(
    program,
    'publish <dataset> <namespace> <id> [file]',
    'publish one message, from a file or (without, or with -) from stdin; prints the shard and sequence it was stored at',
    `publish orders customerId ada order.json --config worker.yaml`,
  )
    .addOption(
      new Option(
        '--operation <operation>',
        'of a record: create (without it) replaces it, merge patches it, delete removes it and needs no body',
      ).choices(OPERATIONS),
    )
    .option(
      '--last-updated <time>',
      'when the record was last updated, RFC 3339; without it the body says it, or the log',
      rfc3339,
    )
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
  $ echo '{"person":{"name":{"firstName":"Ada"}}}' | npx visage publish crm customerId ada --operation merge --config worker.yaml
  $ npx visage publish crm customerId ada --operation delete --config worker.yaml
  $ npx visage publish _profile customerId ada --operation delete --config worker.yaml`,
    )
    .action(publish);
}

async function publish(
  dataset: string,
  namespace: string,
  id: string,
  file: string | undefined,
  options: PublishOptions,
): Promise<void> {
  const identity = { namespace, id };
  const { operation, lastUpdated } = options;
  const kind = { ...(operation === undefined ? {} : { operation }), ...(lastUpdated === undefined ? {} : { lastUpdated }) };
  inputSubject(settingsOf(options).root, dataset, identity); // wrong names are said before anything is waited for
  asWrongUse(['bad_operation'], () => checkOperation(dataset, kind, null));
  const bytes = file === undefined || file === '-' ? undefined : await readFile(file);
  const { shard, sequence } = await withClient(options, async (client) => {
    const admission = operation === undefined && lastUpdated === undefined ? undefined : await knownAdmission(client);
    asWrongUse(['bad_operation'], () => checkOperation(dataset, kind, admission ?? null));
    const needsNone = file === undefined && needsNoBody(kind);
    const body = needsNone ? null : (bytes ?? (await buffer(process.stdin)));
    const producer = await client.producer({ retryForMs: RETRY_FOR_MS });
    return producer.send(dataset, body, { identity, ...kind });
  });
  if (options.json === true) await printJson({ shard, sequence });
  else await print(`shard ${shard}, sequence ${sequence}`);
}

function rfc3339(text: string): string {
  if (Number.isNaN(parseRfc3339(text))) throw new InvalidArgumentError('It must be RFC 3339, e.g. 2026-03-10T09:00:00Z.');
  return text;
}
