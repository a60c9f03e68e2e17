// Two months of real invoices through `visage ingest` under the event clock: every customer as the file says, to the cent, with every
// function and every kind of window; and a thousand explanations, each of which adds up to its value.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import type { Explanation } from '../../src/profile/explanation.ts';
import { explanationProblems } from '../support/explained.ts';
import { RETAIL_FILE, readRetail } from '../support/retail.ts';
import { runRetail, type RetailRun } from '../support/retail_run.ts';
import { LIST_LIMIT, RETAIL_FUNCTIONS, retailDifferences, retailExpression, type RetailView } from '../support/retail_values.ts';
import { checkAgainstOracle, exportAll, type Export } from '../support/verify.ts';
import { startWorld, type World } from '../support/world.ts';

const EXPLANATIONS = 1_000;
const AT_ONCE = 4;
const EVENTS_LISTED = 10_000;
const SEED = 4;
/** Of design/semantics.md §7. */
const FUNCTIONS = 'count sum min max average mostRecent earliest list countDistinct exists expression'.split(' ');

let world: World;
let run: RetailRun;
let exported: Export;

describe.skipIf(RETAIL_FILE === undefined)('the retail file', () => {
  beforeAll(async () => {
    world = await startWorld();
    run = await runRetail(world, RETAIL_FILE!, { worker: [], ingest: [] });
    exported = await exportAll(run.client);
  }, 60_000);
  afterAll(async () => {
    await run.stop();
    await world.stop();
  });

  it('refuses the lines without a customer, and says where', () => {
    expect(run.ingest, run.ingest.stderr).toMatchObject({ code: 0 });
    const summary = JSON.parse(run.ingest.stdout) as { rows: number; sent: number; refused: number; refusals: unknown[] };
    expect(summary).toMatchObject({ rows: 77_628, sent: 48_762, refused: 28_866 });
    expect(summary.refusals).toHaveLength(10);
  });

  it('gives every customer as the file says, to the cent, and as brute force over the log says', async () => {
    expect(new Set(RETAIL_FUNCTIONS.values())).toEqual(new Set(FUNCTIONS));
    expect(retailDifferences(readRetail(RETAIL_FILE!), exported.views)).toEqual([]);
    const verdict = await checkAgainstOracle(run.client, exported);
    expect(verdict).toMatchObject({ problems: [], events: 48_762, duplicates: 0, refused: 0, profiles: 1_369 });
  });

  it('explains a thousand values, and each adds up', async () => {
    const sample = sampled(exported.views);
    const explanations: Explanation[] = [];
    const problems: string[] = [];
    const explainSome = async (): Promise<void> => {
      for (const { view, field } of sample) {
        const found = await run.client.explain({ ...view.profile, field, limit: EVENTS_LISTED });
        explanations.push(found!);
        const { value } = view.computed[field] ?? {};
        const evaluate = (inputs: Readonly<Record<string, unknown>>): unknown => retailExpression(field, inputs);
        problems.push(...explanationProblems(found!, { value, limit: LIST_LIMIT, evaluate }));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, explainSome)); // they take turns with one sample
    expect(problems).toEqual([]);
    expect(explanations).toHaveLength(EXPLANATIONS);
    // a sample of empty windows would add up too
    const withEvents = explanations.filter(({ counted, inputs }) => counted > 1 || inputs !== undefined);
    expect(new Set(withEvents.map((explanation) => explanation.function))).toEqual(new Set(FUNCTIONS));
    expect(withEvents.length).toBeGreaterThan(EXPLANATIONS / 2);
  });

  it('is not ingested twice', async () => {
    const before = (await run.client.streamState('log')).lastSequence;
    const again = await run.again();
    expect(again, again.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(again.stdout)).toMatchObject({ state: 'already' });
    expect((await run.client.streamState('log')).lastSequence).toBe(before);
  });
});

/** Profiles and attributes drawn by a seed, from the profiles in the order of their ids. */
function* sampled<View extends RetailView>(views: readonly View[]): Generator<{ readonly view: View; readonly field: string }> {
  const random = seededRandom(SEED);
  const inOrder = views.toSorted((a, b) => a.profile.id.localeCompare(b.profile.id));
  const fields = [...RETAIL_FUNCTIONS.keys()];
  for (let n = 0; n < EXPLANATIONS; n++)
    yield { view: inOrder[random.below(inOrder.length)]!, field: fields[random.below(fields.length)]! };
}
