// What checking every payload against its schema costs: CPU of an event in the memory arm. See bench/README.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { compilePlan } from '../src/definitions/compile_plan.ts';
import { loadDefinitionsFile } from '../src/definitions/load_definitions.ts';
import { seededRandom } from '../src/base/random.ts';
import { formatTime } from '../src/base/time.ts';
import { printArm, printGoals, summaryOf } from './arm_report.ts';
import { ratio } from './figures.ts';
import { checkState } from './stored_state.ts';
import { fillLog, hashExport, runArm, startWorld, writeResult, type ArmResult, type Sendable, type World } from './world.ts';

const SEED = 20_261_129;
const ROOT = 'schemas';
const DEFINITIONS = new URL('./schemas.yaml', import.meta.url).pathname;
const DAY_MS = 86_400_000;
const CHANNELS = ['web', 'store', 'app', 'phone'];

type Size = { readonly events: number; readonly profiles: number; readonly rounds: number };
const FULL: Size = { events: 300_000, profiles: 50_000, rounds: 10 };
const SMOKE: Size = { events: 1_500, profiles: 200, rounds: 1 };

/** checked: with the schema · empty: `type: object` in its place, so that expressions know no types either · unchecked: the same
 *  definitions as checked, and nothing is checked. */
const ARMS = ['empty', 'checked', 'unchecked'] as const;
type Arm = (typeof ARMS)[number];

export async function runSchemas(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const world = await startWorld(ROOT, '2m');
  try {
    const empty = writeEmpty(world);
    await fillLog(world, ROOT, purchases(size), loadDefinitionsFile(DEFINITIONS));
    const hashes = [await checkedResult(world, DEFINITIONS), await checkedResult(world, empty)];
    if (hashes[0] !== hashes[1]) throw new Error('with and without the schema the profiles are not the same');
    const results = await measure(world, empty, size);
    const cpu = (arm: Arm): number[] => results[arm].map(({ cpuSeconds, events }) => cpuSeconds / events);
    const goals = { checked: ratio(cpu('checked'), cpu('empty')), checkAlone: ratio(cpu('checked'), cpu('unchecked')) };
    printGoals(goals);
    if (!smoke) writeResult('schemas', { size, resultHash: hashes[0], arms: summaryOf(results), goals }, world, SEED);
  } finally {
    await world.stop();
  }
}

/** All arms of a round after one another; which is first moves on from round to round. */
async function measure(world: World, empty: string, size: Size): Promise<Record<Arm, ArmResult[]>> {
  const results: Record<Arm, ArmResult[]> = { empty: [], checked: [], unchecked: [] };
  const counted = new Set<string>();
  for (let round = 0; round < size.rounds; round++) {
    for (let i = 0; i < ARMS.length; i++) {
      const arm = ARMS[(round + i) % ARMS.length]!;
      const result = await runArm('memory', {
        ...parametersOf(world, arm === 'empty' ? empty : DEFINITIONS),
        unchecked: arm === 'unchecked',
      });
      results[arm].push(result);
      printArm(`round ${round + 1} ${arm}`, result);
      counted.add([result.events, result['changes'], result['profiles']].join());
    }
  }
  if (counted.size !== 1) throw new Error(`the arms did not do the same: ${[...counted].join(' · ')}`);
  return results;
}

/** What the whole worker makes of the log under these definitions, checked against brute force. @returns a hash of it */
async function checkedResult(world: World, definitions: string): Promise<string> {
  const parameters = { ...parametersOf(world, definitions), keep: true, exportTo: join(world.folder, 'export.ndjson') };
  const { events, changes } = await runArm('worker', parameters);
  if (changes === undefined || changes < events / 2) throw new Error(`of ${events} events only ${changes} changes came`);
  const plan = compilePlan(loadDefinitionsFile(definitions));
  const profiles = await checkState({ world, root: ROOT, folder: parameters.folder, plan });
  console.log(`  checked against brute force: ${profiles} profiles equal`);
  return hashExport(parameters.exportTo);
}

let outs = 0;

function parametersOf(world: World, definitions: string): { folder: string } & Record<string, unknown> {
  return { url: world.server.url, root: ROOT, out: `out-${outs++}`, folder: join(world.folder, 'state'), definitions };
}

/** The same definitions with a schema that demands nothing. */
function writeEmpty(world: World): string {
  const document = parse(readFileSync(DEFINITIONS, 'utf8')) as { schemas: { purchase: { jsonSchema: unknown } } };
  document.schemas.purchase.jsonSchema = { type: 'object' };
  const path = join(world.folder, 'empty.yaml');
  writeFileSync(path, JSON.stringify(document));
  return path;
}

/** Good ones all, a tenth out of order: a refused one would cost one arm what the others do not have. */
function* purchases({ events, profiles }: Size): Iterable<Sendable> {
  const random = seededRandom(SEED);
  const startMs = Date.now() - 10 * DAY_MS;
  for (let n = 0; n < events; n++) {
    const atMs = startMs + Math.floor((9 * DAY_MS * n) / events) - (random.below(10) === 0 ? random.below(2 * DAY_MS) : 0);
    const priceTotal = (random.below(50_000) + 1) / 100;
    const items = Array.from({ length: 1 + random.below(3) }, () => ({
      SKU: `sku-${random.below(5_000)}`,
      quantity: 1 + random.below(4),
      priceTotal: (random.below(10_000) + 1) / 100,
    }));
    const body = {
      _id: `e-${n}`,
      timestamp: formatTime(atMs),
      eventType: 'commerce.purchases',
      commerce: { order: { purchaseID: `p-${n}`, priceTotal, currencyCode: 'EUR', channel: CHANNELS[random.below(4)]! } },
      productListItems: items,
      shop: `shop-${random.below(20)}`,
      placedAt: formatTime(atMs),
      contact: `c${random.below(profiles)}@example.com`,
      page: `https://shop.example.com/checkout/${n}`,
      giftWrapped: random.below(2) === 0,
    };
    yield { dataset: 'orders', namespace: 'customerId', id: `c-${random.below(profiles)}`, body: JSON.stringify(body) };
  }
}
