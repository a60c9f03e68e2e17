// `resync`: the ways out for a shard that is halted. Each says what it gives up.
import type { Command } from 'commander';
import { acceptGap, adoptStreams, rebuildShard, skipMessage, tellOwner } from '../worker/resync.ts';
import type { Client } from '../worker/client.ts';
import { command, settingsOf, withClient, wholeNumber, type CommonOptions } from './command.ts';
import { WrongUse } from './failure.ts';
import { print, printJson } from './output.ts';

type ResyncOptions = CommonOptions & {
  readonly shard: number;
  readonly acceptGap?: boolean;
  readonly skip?: number;
  readonly rebuild?: boolean;
  readonly again?: boolean;
  readonly adopt?: boolean;
  readonly partial?: boolean;
  readonly yes?: boolean;
};

const STATE_MS = 30_000;
const POLL_MS = 100;

export function registerResync(program: Command): void {
  command(
    program,
    'resync',
    'let a halted shard go on: accept what the log has lost, skip one message, or build its state anew',
    'resync --shard 3 --accept-gap --yes --config worker.yaml',
  )
    .requiredOption('--shard <n>', 'which', wholeNumber(0, 1023))
    .option('--accept-gap', 'messages that are no longer in the log were not applied, and will not be')
    .option('--skip <sequence>', 'this message counts for nothing', wholeNumber(1))
    .option('--rebuild', 'fold the log as it is anew, as a new generation, and publish what differs from what is stored')
    .option('--adopt', 'log and change stream were restored from a copy: they are the same under another date of making')
    .option('--again', 'look again: what stopped it was put right; gives nothing up, needs no --yes')
    .option('--partial', 'with --rebuild: although the log has lost its beginning')
    .option('--yes', 'needed: each of these gives something up')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
What each gives up:
  --accept-gap  what the lost messages said is in no value
  --skip        what that message said is in no value; it must not have been published yet
  --adopt       that a stream which was really made anew is told apart; the messages at the last checkpoint and the last commit
                must still be the ones that are known
  --rebuild     change events that were published from messages which the log has lost are not taken back one by one:
                consumers go on from the new generation's events`,
    )
    .action(async (options: ResyncOptions) => {
      const { acceptGap: gap, skip, rebuild, adopt, again } = options;
      const ways = [gap === true, skip !== undefined, rebuild === true, adopt === true, again === true].filter(Boolean).length;
      if (ways !== 1) throw new WrongUse('say one of --again, --accept-gap, --skip SEQUENCE, --adopt, --rebuild');
      if (options.partial === true && options.rebuild !== true) throw new WrongUse('--partial goes with --rebuild');
      if (options.yes !== true && again !== true) throw new WrongUse('nothing was done: add --yes if you mean it');
      await withClient(options, (client) => resync(client, options));
    });
}

async function resync(client: Client, options: ResyncOptions): Promise<void> {
  const { shard } = options;
  if (shard >= client.partitions) throw new WrongUse(`there is no shard ${shard}; there are ${client.partitions}`);
  const done = await act(client, options);
  const told = await tellOwner(client, shard);
  const { state, reason } = told ? await settledState(client, shard) : { state: 'elsewhere', reason: null };
  if (options.json === true) return printJson({ shard, ...done.figures, told, state, reason });
  await print(`shard ${shard}: ${done.text}`);
  await print(
    told ? `it is ${state}${reason === null ? '' : `: ${reason}`}` : 'no worker has it just now; the next one does as it says',
  );
}

async function act(client: Client, options: ResyncOptions): Promise<{ readonly text: string; readonly figures: object }> {
  const { shard, skip } = options;
  if (options.again === true) return { text: 'it is looked at again', figures: {} };
  if (options.adopt === true) {
    await adoptStreams(client, shard);
    return { text: 'log and change stream are taken for the ones that were known', figures: { adopted: true } };
  }
  if (options.acceptGap === true) {
    const gapThrough = await acceptGap(client, shard);
    return { text: `messages up to ${gapThrough} may be missing`, figures: { gapThrough } };
  }
  if (skip !== undefined) {
    await skipMessage(client, shard, skip);
    return { text: `message ${skip} is skipped`, figures: { skipped: skip } };
  }
  const generation = await rebuildShard(client, settingsOf(options), shard, options.partial === true);
  return { text: `generation ${generation} of its state is built from the log`, figures: { generation } };
}

/** As soon as it is active, or halted again. */
async function settledState(client: Client, shard: number): Promise<{ state: string; reason: string | null }> {
  for (const untilMs = Date.now() + STATE_MS; ;) {
    const found = (await client.status()).shards.find((each) => each.shard === shard);
    const state = found?.state ?? 'elsewhere';
    if (state === 'active' || state === 'halted' || Date.now() > untilMs) return { state, reason: found?.reason ?? null };
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
