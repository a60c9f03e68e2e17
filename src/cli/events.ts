// `events`: the events that count for a profile, page by page.
import { Option, type Command } from 'commander';
import { VisageError } from '../base/errors.ts';
import { identityKey, identityName } from '../message/identity.ts';
import type { Client } from '../worker/client.ts';
import { command, wholeNumber, withClient, type CommonOptions } from './command.ts';
import { print, printJson } from './output.ts';
import { askedRight, collect } from './read_options.ts';
import { table } from './table.ts';

type EventsOptions = CommonOptions & {
  readonly start?: string;
  readonly end?: string;
  readonly type?: readonly string[];
  readonly property?: readonly string[];
  readonly order?: string;
  readonly limit?: number;
  readonly page?: string;
  readonly after?: number;
};
type Page = NonNullable<Awaited<ReturnType<Client['events']>>>;

/** As long as a worker gives. */
const TIMEOUT_MS = 30_000;
const LIMIT_MAX = 1_000;
const PAYLOAD_WIDTH = 100;

export function registerEvents(program: Command): void {
  command(
    program,
    'events <namespace> <id>',
    'the events that count for a profile, from the log',
    `events customerId ada --type commerce.purchases --property 'commerce.order.priceTotal >= 100' --config worker.yaml`,
  )
    .option('--start <time>', 'from this timestamp on, RFC 3339')
    .option('--end <time>', 'before this timestamp')
    .option('--type <type>', 'only of this eventType; may be given again', collect)
    .option('--property <filter>', "only where 'path op value' holds (= != < <= > >=); up to 3, all must hold", collect)
    .addOption(new Option('--order <order>', 'by timestamp (default: asc)').choices(['asc', 'desc']))
    .option('--limit <n>', 'at most so many (default: 100)', wholeNumber(1, LIMIT_MAX))
    .option('--page <token>', 'the page that the last line of the page before names')
    .option('--after <sequence>', 'wait until everything up to this sequence is in it', wholeNumber(0))
    .option('--json', 'print one JSON object')
    .action(async (namespace: string, id: string, options: EventsOptions) => {
      const identity = { namespace, id };
      identityKey(identity); // wrong names are said before a connection is made
      const { start, end, type, property, order, limit, page, after } = options;
      const query = {
        ...identity,
        timeoutMs: TIMEOUT_MS,
        ...(start === undefined ? {} : { start }),
        ...(end === undefined ? {} : { end }),
        ...(type === undefined ? {} : { types: type }),
        ...(property === undefined ? {} : { properties: property }),
        ...(order === undefined ? {} : { order }),
        ...(limit === undefined ? {} : { limit }),
        ...(page === undefined ? {} : { page }),
        ...(after === undefined ? {} : { after }),
      };
      const found = await withClient(options, (client) => askedRight(client.events(query)));
      if (found === undefined) throw new VisageError('no_profile', `there is no profile ${identityName(identity)}`);
      if (options.json === true) return printJson(found);
      for (const line of describe(found)) await print(line);
    });
}

function describe({ profile, events, next, shard, sequence, time, missing }: Page): string[] {
  const rows = events.map((event) => [
    event.timestamp,
    event.eventType,
    event._id,
    event.dataset,
    event.sequence,
    shortened(JSON.stringify(event.event)),
  ]);
  return [
    `${identityName(profile)}  shard ${shard}, sequence ${sequence}, ${time}`,
    ...(missing === undefined ? [] : [`  not whole: ${missing}`]),
    '',
    ...(rows.length === 0 ? ['no events'] : table(['time', 'type', 'event', 'dataset', 'sequence', 'payload'], rows)),
    ...(next === null ? [] : ['', `more: --page ${next}`]),
  ];
}

function shortened(text: string): string {
  return text.length <= PAYLOAD_WIDTH ? text : `${text.slice(0, PAYLOAD_WIDTH - 1)}…`;
}
