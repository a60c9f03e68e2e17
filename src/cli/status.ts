// `status`: the shards of the worker that answers, each in one line.
import type { Command } from 'commander';
import type { Client } from '../worker/client.ts';
import { command, withClient, type CommonOptions } from './command.ts';
import { print, printJson } from './output.ts';
import { table } from './table.ts';

type Status = Awaited<ReturnType<Client['status']>>;
type Shard = Status['shards'][number];

export function registerStatus(program: Command): void {
  command(program, 'status', 'print the shards: state, owner, how far they are, last checkpoint', 'status --config worker.yaml')
    .option('--json', 'print one JSON object')
    .action(async (options: CommonOptions) => {
      const status = await withClient(options, (client) => client.status());
      if (options.json === true) return printJson(status);
      await print(
        `worker ${status.instance} ${status.version}, pid ${status.pid}, since ${status.startedAt}, ${status.ready ? 'ready' : 'not ready'}`,
      );
      for (const other of status.workers ?? []) if (other.instance !== status.instance) await print(workerLine(other));
      const heads = ['shard', 'state', 'owner', 'applied', 'lag', 'profiles', 'checkpoint', 'snapshot', 'reason'];
      for (const line of table(heads, status.shards.map(row))) await print(line);
    });
}

function workerLine(worker: NonNullable<Status['workers']>[number]): string {
  if (!worker.answers) return `worker ${worker.instance} does not answer`;
  const state = worker.draining ? 'leaving' : worker.ready ? 'ready' : 'not ready';
  return `worker ${worker.instance} ${worker.version}, pid ${worker.pid}, since ${worker.startedAt}, ${state}, ${worker.shards} shards`;
}

function row(shard: Shard): (string | number)[] {
  const figure = (name: string): string => {
    const value = shard[name];
    return typeof value === 'number' || typeof value === 'string' ? String(value) : '-';
  };
  const checkpoint = shard['checkpoint'] as { sequence: number; profiles: number; tookMs: number } | null | undefined;
  const snapshot = shard['snapshot'] as { sequence: number; takenAt: string } | null | undefined;
  return [
    shard.shard,
    shard.state,
    figure('owner'),
    figure('applied'),
    figure('lag'),
    figure('profiles'),
    checkpoint == null ? '-' : `${checkpoint.sequence} (${checkpoint.profiles} profiles, ${Math.round(checkpoint.tookMs)} ms)`,
    snapshot == null ? '-' : `${snapshot.sequence} (${snapshot.takenAt})`,
    shard.reason ?? '',
  ];
}
