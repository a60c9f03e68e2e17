// `subject`: where messages about an identity go.
import type { Command } from 'commander';
import { encodeId, identityKey } from '../message/identity.ts';
import { inputSubject } from '../message/subject.ts';
import { command, settingsOf, type CommonOptions } from './command.ts';
import { print, printJson } from './output.ts';

export function registerSubject(program: Command): void {
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
}
