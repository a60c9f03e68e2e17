// What readers do to the latency of events: at half of the load that can be sustained, 1,000 reads/s over HTTP, or 500 requests/s with a token
// that nobody has, beside none. See bench/README.md.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { printGoals } from './arm_report.ts';
import { ratio, spread } from './figures.ts';
import { httpLoad } from './http.ts';
import type { HttpOrder, HttpResult } from './http_load_child.ts';
import { atHalfTheLoad, FULL, LAG_GROWTH_MAX, orderOf, printLoad, SMOKE, type Size } from './latency.ts';
import type { LoadResult } from './load.ts';
import { startWorld, writeResult, type World } from './world.ts';

const SEED = 20_261_130;
const ROOT = 'readers';
const ARMS = ['quiet', 'readers', 'badTokens'] as const;
type Arm = (typeof ARMS)[number];
type Round = LoadResult & { readonly http?: HttpResult };

const READS_A_SECOND = 1_000;
const BAD_TOKENS_A_SECOND = 500;
const CONNECTIONS = 64;
const TOKEN = 'bench-reader-token';
/** Readers are there before the events, and after them. */
const AROUND_SECONDS = 1;

export async function runReaders(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld('readers', '2m'); // the server's default
  try {
    await measure(world, size, smoke);
  } finally {
    await world.stop();
  }
}

async function measure(world: World, size: Size, smoke: boolean): Promise<void> {
  const tokensFile = join(world.folder, 'tokens.yaml');
  const sha256 = createHash('sha256').update(TOKEN).digest('hex');
  writeFileSync(tokensFile, `tokens:\n  - { name: 'bench', sha256: '${sha256}', scopes: [read] }\n`);
  const arms: Record<Arm, Round[]> = { quiet: [], readers: [], badTokens: [] };
  const more = { 'http.tokensFile': tokensFile };
  const half = await atHalfTheLoad({ world, root: ROOT, size, smoke, more }, async ({ load, rate, worker }) => {
    for (let round = 0; round < size.rounds; round++) {
      for (const arm of ARMS) {
        const asking = arm === 'quiet' ? undefined : httpLoad(httpOrder(arm, worker.httpPort, round, size));
        asking?.catch(() => undefined); // its error comes with its result
        if (asking !== undefined) await new Promise((resolve) => setTimeout(resolve, AROUND_SECONDS * 1000));
        const result = await load.run(orderOf(`${arm}${round}`, rate, size.roundSeconds, size));
        const http = await asking;
        arms[arm].push(http === undefined ? result : { ...result, http });
        printLoad(`round ${round + 1} ${arm}`, result);
        if (result.lagGrowth >= LAG_GROWTH_MAX)
          console.log(`  ${arm}: lag grew by ${(result.lagGrowth * 100).toFixed(2)} % of the load`);
      }
    }
  });
  const p99 = (arm: Arm): number[] => arms[arm].map(({ p99Ms }) => p99Ms);
  const goals = { readersP99: ratio(p99('quiet'), p99('readers')), badTokensP99: ratio(p99('quiet'), p99('badTokens')) };
  printGoals(goals);
  const figures = Object.fromEntries(ARMS.map((arm) => [arm, { p99Ms: spread(p99(arm)), rounds: arms[arm] }]));
  const all = { search: half.search, ...figures };
  if (!smoke) writeResult('readers', { size, profilesChecked: half.profilesChecked, arms: all, goals }, world, SEED);
}

function httpOrder(arm: 'readers' | 'badTokens', port: number, round: number, { roundSeconds, profiles }: Size): HttpOrder {
  const isBad = arm === 'badTokens';
  return {
    port,
    connections: CONNECTIONS,
    profiles,
    seed: SEED + round,
    seconds: roundSeconds + AROUND_SECONDS,
    warmSeconds: AROUND_SECONDS / 2,
    rate: isBad ? BAD_TOKENS_A_SECOND : READS_A_SECOND,
    header: `Authorization: Bearer ${isBad ? 'nobody-has-this-one' : TOKEN}`,
    status: isBad ? 401 : 200,
  };
}
