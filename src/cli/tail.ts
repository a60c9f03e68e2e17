// `tail`: change events as they happen. T1: they are printed as the stream has them, in its order.
import type { Command } from 'commander';
import { Option } from 'commander';
import { identityKey, identityName, partitionOf, type Identity } from '../message/identity.ts';
import { changesSubject } from '../message/subject.ts';
import { changeEvents, type ChangeEvent } from './change_event.ts';
import { command, withClient, type CommonOptions } from './command.ts';
import { WrongUse } from './failure.ts';
import { lineWriter } from './output.ts';

type TailOptions = CommonOptions & {
  readonly profile?: readonly string[];
  readonly from: 'start' | 'now';
  readonly until?: 'now';
};

export function registerTail(program: Command): void {
  command(
    program,
    'tail',
    'print change events as they happen, until Ctrl-C',
    'tail --profile customerId ada --from start --config worker.yaml',
  )
    .option('--profile <identity...>', 'only those of one profile: NAMESPACE ID')
    .addOption(new Option('--from <place>', 'where to begin').choices(['start', 'now']).default('now'))
    .addOption(new Option('--until <place>', 'where to end; without it never').choices(['now']))
    .option('--json', 'print one CloudEvent a line')
    .action(async (options: TailOptions) => {
      const identity = options.profile === undefined ? undefined : identityOf(options.profile);
      const stop = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
      await withClient(options, async (client) => {
        const { root } = client.topology;
        const filter =
          identity === undefined ? undefined : changesSubject(root, partitionOf(identityKey(identity), client.partitions));
        const messages = client.readStream('changes', {
          from: options.from,
          until: options.until ?? 'never',
          signal: stop.signal,
          ...(filter === undefined ? {} : { filter }),
        });
        for await (const message of messages) {
          const out = lineWriter();
          for (const event of changeEvents(message)) {
            const { profile } = event.data;
            if (identity !== undefined && (profile.namespace !== identity.namespace || profile.id !== identity.id)) continue;
            await out.write(options.json === true ? JSON.stringify(event) : describe(event));
          }
          await out.end();
        }
      });
    });
}

function identityOf(words: readonly string[]): Identity {
  const [namespace, id] = words;
  if (namespace === undefined || id === undefined || words.length !== 2)
    throw new WrongUse('--profile takes two words: NAMESPACE ID');
  identityKey({ namespace, id });
  return { namespace, id };
}

function describe(event: ChangeEvent): string {
  const changes = event.data.changes.map((change) =>
    event.data.truncated === true ? change.path : `${change.path} ${text(change.before)} → ${text(change.after)}`,
  );
  const { entered, exited } = event.data.audiences;
  const audiences = [...entered.map((name) => `entered ${name}`), ...exited.map((name) => `exited ${name}`)];
  const what = changes.length === 0 ? 'no net change' : changes.join(', ');
  return `${event.time}  ${identityName(event.data.profile)}  ${[what, ...audiences].join('; ')}`;
}

function text(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value);
}
