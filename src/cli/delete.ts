// `delete`: one profile, or what a dataset has said about every profile. The log keeps its messages.
// CD1: what reaches everybody needs --yes. CD2: what is wrong is said before anything is in a log.
import type { Command } from 'commander';
import { formatTime } from '../base/time.ts';
import { identityKey, identityName } from '../message/identity.ts';
import { PROFILE_TOKEN } from '../message/subject.ts';
import { awaitDelete, tellDelete, type ShardDelete } from '../worker/delete_dataset.ts';
import { definedDataset } from '../worker/live_admission.ts';
import { command, withClient, type CommonOptions } from './command.ts';
import { WrongUse } from './failure.ts';
import { asWrongUse, liveAdmission, refuseUnknownPerson } from './live_admission.ts';
import { print, printJson } from './output.ts';
import { progressLine } from './progress.ts';
import { RETRY_FOR_MS } from './publish.ts';
import { table } from './table.ts';

type DeleteOptions = CommonOptions & { readonly dataset?: string; readonly yes?: boolean; readonly wait: boolean };

export function registerDelete(program: Command): void {
  command(
    program,
    'delete [namespace] [id]',
    'delete a profile, or what a dataset has said about every profile; what comes later counts again, the log keeps its messages',
    'delete customerId ada --config worker.yaml',
  )
    .option('--dataset <name>', 'instead of a profile: what this dataset has said about all of them, records and events')
    .option('--yes', 'needed with --dataset: without it nothing is deleted')
    .option('--no-wait', 'with --dataset: do not wait until every profile is without it')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
  $ npx visage delete --dataset loyalty --yes --config worker.yaml

Stopped while it waits, run it again: a shard that was told, and has heard nothing of the dataset since, is not told again.`,
    )
    .action(async (namespace: string | undefined, id: string | undefined, options: DeleteOptions) => {
      if (options.dataset !== undefined) {
        if (namespace !== undefined) throw new WrongUse('either a profile or --dataset, not both');
        return deleteDataset(options.dataset, options);
      }
      if (namespace === undefined || id === undefined)
        throw new WrongUse('say who (delete NAMESPACE ID), or which dataset (delete --dataset NAME)');
      return deleteProfile(namespace, id, options);
    });
}

async function deleteProfile(namespace: string, id: string, options: DeleteOptions): Promise<void> {
  const identity = { namespace, id };
  identityKey(identity); // wrong names are said before a connection is made
  const { shard, sequence } = await withClient(options, async (client) => {
    await refuseUnknownPerson(client, identity);
    const producer = await client.producer({ retryForMs: RETRY_FOR_MS });
    return producer.send(PROFILE_TOKEN, null, { identity, operation: 'delete' });
  });
  if (options.json === true) await printJson({ shard, sequence });
  else await print(`${identityName(identity)} is deleted as of shard ${shard}, sequence ${sequence}`);
}

async function deleteDataset(dataset: string, options: DeleteOptions): Promise<void> {
  await withClient(options, async (client) => {
    const admission = await liveAdmission(client);
    asWrongUse(['unknown_dataset'], () => definedDataset(admission, dataset));
    if (options.yes !== true)
      throw new WrongUse(
        `this would delete what '${dataset}' has said so far about every profile, in ${client.partitions} shards: records, and its events' ` +
          `share of every value; the log keeps the messages, and what comes later counts again. To do it say --yes`,
      );
    const deletes = await tellDelete(client, dataset);
    if (options.wait) {
      const line = progressLine(process.stderr);
      const swept = awaitDelete(client, deletes, ({ done, of, waitingFor }) =>
        line.show({ done: `${done} of ${of} shards`, count: done, share: done / of, remarks: '', waitingFor }),
      );
      await swept.finally(() => line.end());
    }
    await receipt(dataset, deletes, options);
  });
}

async function receipt(dataset: string, deletes: readonly ShardDelete[], options: DeleteOptions): Promise<void> {
  const swept = options.wait;
  const shards = deletes.map(({ shard, sequence, timeMs }) => ({ shard, sequence, time: formatTime(timeMs) }));
  if (options.json === true) return printJson({ dataset, swept, shards });
  await print(
    swept
      ? `deleted  ${dataset}: what it had said up to these sequences is in no profile any more`
      : `deleted  ${dataset}: what it had said up to these sequences counts no more where a profile is loaded; the shards go through the rest`,
  );
  for (const line of table(
    ['shard', 'sequence', 'time'],
    shards.map(({ shard, sequence, time }) => [shard, sequence, time]),
  ))
    await print(line);
}
