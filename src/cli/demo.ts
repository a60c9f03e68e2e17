// `demo`: the whole product in less than a minute, on a server and in a folder of its own.
import { Option, type Command } from 'commander';
import { relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { VisageError } from '../base/errors.ts';
import { generateEvents } from '../oracle/generate.ts';
import { settingsOf, wholeNumber, type CommonOptions } from './command.ts';
import { Feed } from './demo_feed.ts';
import { feedUntilStopped } from './demo_producer.ts';
import { DEMO_THIRTEENTH, DemoRoot } from './demo_root.ts';
import { BEA, introduce, shop } from './demo_shopper.ts';
import { tellStory, type Summary } from './demo_story.ts';
import { WrongUse } from './failure.ts';
import { print, printJson } from './output.ts';

const EVENTS = 20_000;
const EVENTS_MIN = 10;
const FEED_RATE = 50;
const TRICKLE_MS = 200;
const INTERRUPTED = 130;

type DemoOptions = { readonly events: number; readonly exit?: boolean; readonly directory?: string; readonly sabotage?: boolean };
type FeedOptions = CommonOptions & { readonly feed?: boolean; readonly rate?: number };

export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'start a server, a worker and a producer; show a value entering and leaving its window, two datasets that disagree, a kill -9 survived, and the verification; then keep running for you to try',
    )
    .option('--events <count>', 'how many events to publish', wholeNumber(EVENTS_MIN), EVENTS)
    .option('--exit', 'end after the verification; the last line is a JSON summary; exit code 0 only if everything was verified')
    .option('--directory <path>', 'an empty folder to work in, which is kept; without it a temporary one, which is not')
    .option('--sabotage', 'damage one stored value, to see that the verification fails; ends like --exit')
    .addOption(
      new Option(
        '--feed',
        'only publish demo events to the root of the settings until stopped (definitions: config/demo.definitions.yaml)',
      ).conflicts(['exit', 'directory', 'sabotage']),
    )
    .option('--rate <count>', `with --feed: events a second (default: ${FEED_RATE})`, wholeNumber(1))
    .option('--config <file>', 'with --feed: settings (worker.yaml); without it defaults and VISAGE_ variables')
    .addHelpText('after', '\nExample:\n  $ npx visage demo --events 50000 --exit')
    .action((options: DemoOptions & FeedOptions) => {
      if (options.feed === true) return feedUntilStopped(settingsOf(options), options.rate ?? FEED_RATE);
      if (options.rate !== undefined || options.config !== undefined)
        throw new WrongUse('--rate and --config go with --feed: the demo itself has a root of its own');
      return run(options);
    });
}

async function run(options: DemoOptions): Promise<void> {
  const startMs = performance.now();
  const say = (line: string): void => {
    process.stdout.write(`[${((performance.now() - startMs) / 1000).toFixed(1).padStart(5)} s] ${line}\n`);
  };
  const stop = new AbortController();
  const interrupted = new Promise<'interrupted'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (stop.signal.aborted) process.exit(INTERRUPTED); // server and worker end with this process
        stop.abort();
        resolve('interrupted');
      });
    }
  });
  const starting = DemoRoot.start(options.directory);
  const root = await starting;
  const { started } = root.server;
  say(
    `1  ${started === undefined ? `the server at ${root.server.url}` : `nats-server ${started.version} on port ${started.port}`} ` +
      `and a worker (process ${root.worker.pid}, ${root.settings.partitions} shards) are ready`,
  );
  let summary: Summary | 'interrupted' = 'interrupted';
  try {
    const telling = tellStory(root, { events: options.events, sabotage: options.sabotage === true, say });
    telling.catch(() => undefined); // when interrupted, what it misses then is no news
    summary = await Promise.race([telling, interrupted]);
    if (summary !== 'interrupted' && summary.verified && options.exit !== true && options.sabotage !== true) {
      const feed = await Feed.open(root.client);
      await introduce(feed);
      await invite(root);
      await Promise.all([trickle(feed, stop.signal), shop(feed, stop.signal)]);
    }
  } finally {
    await root.stop();
  }
  if (summary === 'interrupted') process.exit(INTERRUPTED);
  if (options.exit === true || options.sabotage === true || !summary.verified) await printJson(summary);
  if (!summary.verified) throw new VisageError('not_verified', 'the demo could not verify everything; the lines above say what');
}

async function invite(root: DemoRoot): Promise<void> {
  const config = `--config ${quoted(root.config)}`;
  const order = `{"_id":"mine-'$RANDOM'","timestamp":"'$(date -u +%Y-%m-%dT%H:%M:%SZ)'","eventType":"commerce.purchases","commerce":{"order":{"priceTotal":9.99,"channel":"app"}}}`;
  const lines = [
    '',
    `8  It keeps running, with about ${1000 / TRICKLE_MS} events a second. Open the explorer on a customer who is shopping: see a value change`,
    '   and leave its window of 30 s, click why:',
    '',
    `http://127.0.0.1:${root.worker.httpPort}/#/profile/${BEA.namespace}/${BEA.id}`,
    '',
    '   In another terminal:',
    '',
    `npx visage tail --profile customerId ada ${config}`,
    `echo '${order}' | npx visage publish orders customerId ada - ${config}`,
    `npx visage get customerId ada ${config}`,
    `npx visage explain customerId ada spend30s ${config}`,
    '',
    '   What crm and loyalty say about her, by the other policy; who says what about her first name; another tier, and no profile any more:',
    '',
    `npx visage get customerId ada --policy crmFirst ${config}`,
    `npx visage explain customerId ada person.name.firstName ${config}`,
    `echo '{"loyalty":{"tier":"bronze"}}' | npx visage publish loyalty customerId ada - --operation merge ${config}`,
    `npx visage delete customerId ada ${config}`,
    '',
    '   A thirteenth attribute, appSpend, while it runs; it counts the orders that come from then on:',
    '',
    `npx visage definitions apply ${quoted(fromHere(DEMO_THIRTEENTH))} ${config}`,
    '',
    'Ctrl-C ends it.',
  ];
  for (const line of lines) await print(line);
}

/** As one would type it: a path below the working directory without the way there. */
function fromHere(path: string): string {
  const way = relative(process.cwd(), path);
  return way.startsWith('..') ? path : way;
}

function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word}'`;
}

/** A few events a second, until Ctrl-C. */
async function trickle(feed: Feed, signal: AbortSignal): Promise<void> {
  for (let seed = 2; !signal.aborted; seed++) {
    const now = { startMs: Date.now(), spanMs: 1 };
    const some = {
      seed,
      events: 1,
      profiles: 100,
      zipfS: 1,
      outOfOrderShare: 0.2,
      maxLateMs: 10_000,
      duplicateShare: 0,
      invalidShare: 0,
    };
    for (const event of generateEvents({ ...now, ...some })) await feed.send(event);
    await delay(TRICKLE_MS, undefined, { signal }).catch(() => undefined);
  }
}
