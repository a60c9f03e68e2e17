// `subject` and `publish`: where a message goes, and sending one.
import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { encodeId, identityKey } from '../message/identity.ts';
import { inputSubject } from '../message/subject.ts';
import { command, settingsOf, withClient, type CommonOptions } from './command.ts';
import { print, printJson } from './output.ts';

/** Somebody waits at the terminal. */
const RETRY_FOR_MS = 10_000;

export function registerPublish(program: Command): void {
  command(
    program,
    'subject <namespace> <id>',
    'print the subject that messages about an identity are published to',
    'subject customerId ada@example.com --dataset orders',
  )
    .option('--dataset <name>', 'the dataset; without it the subject says <dataset> there')
    .option('--json', 'print one JSON object')
    .action(async (namespace: string, id: string, options: CommonOptions & { readonly dataset?: string }) => {
      const identity = { namespace, id };
      const { root } = settingsOf(options);
      const { dataset } = options;
      const subject =
        dataset === undefined ? `${root}.in.<dataset>.${identityKey(identity)}` : inputSubject(root, dataset, identity);
      if (options.json === true) await printJson({ subject, dataset: dataset ?? null, namespace, encodedId: encodeId(id) });
      else await print(subject);
    });

  command(
    program,
    'publish <dataset> <namespace> <id> [file]',
    'publish one message, from a file or (without, or with -) from stdin; prints the shard and sequence it was stored at',
    `publish orders customerId ada order.json --config worker.yaml`,
  )
    .option('--json', 'print one JSON object')
    .action(async (dataset: string, namespace: string, id: string, file: string | undefined, options: CommonOptions) => {
      const identity = { namespace, id };
      inputSubject(settingsOf(options).root, dataset, identity); // wrong names are said before stdin is waited for
      const body = file === undefined || file === '-' ? await buffer(process.stdin) : await readFile(file);
      const { shard, sequence } = await withClient(options, async (client) => {
        const producer = await client.producer({ retryForMs: RETRY_FOR_MS });
        return producer.send(dataset, body, { identity });
      });
      if (options.json === true) await printJson({ shard, sequence });
      else await print(`shard ${shard}, sequence ${sequence}`);
    });
}
