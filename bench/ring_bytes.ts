// G17: what a value takes that a window holds exactly, beside the 16 bytes of a time and a number as doubles. See bench/README.md.
import { printGoals } from './arm_report.ts';
import { spread, type Goal } from './figures.ts';
import { runChild, writeResult } from './world.ts';

const CHILD = new URL('./ring_bytes_child.ts', import.meta.url);
const SEED = 20_260_417;
const PLAIN_BYTES = 16;
const SHAPES = ['usual', 'long'] as const;

export type RingShape = { readonly rings: number; readonly values: number };
type Measured = RingShape & {
  readonly bytes: number;
  /** As many profiles whose rings are empty. */
  readonly emptyBytes: number;
  readonly perValue: number;
  readonly hash: number;
};

type Size = Readonly<Record<(typeof SHAPES)[number], RingShape>> & { readonly rounds: number };
/** What `exactEvents` allows by default; and one that an operator allowed. */
const FULL: Size = { rounds: 5, usual: { rings: 100, values: 5_000 }, long: { rings: 1, values: 100_000 } };
const SMOKE: Size = { rounds: 1, usual: { rings: 10, values: 1_000 }, long: { rings: 1, values: 10_000 } };

export async function runRingBytes(smoke: boolean, rounds?: number): Promise<void> {
  const standard = smoke ? SMOKE : FULL;
  const size = { ...standard, rounds: rounds ?? standard.rounds };
  const found: Record<(typeof SHAPES)[number], Measured[]> = { usual: [], long: [] };
  for (let round = 0; round < size.rounds; round++) {
    for (const shape of SHAPES) {
      const args = [JSON.stringify(size[shape]), String(SEED)];
      const [measured] = await runChild<Measured>(CHILD, args, ['--expose-gc']);
      found[shape].push(measured!);
      const { rings, values, perValue, bytes } = measured!;
      const mb = (bytes / 1e6).toFixed(2);
      console.log(`round ${round + 1} ${rings} × ${values} values: ${mb} MB, ${perValue.toFixed(2)} bytes a value`);
    }
  }
  console.log('  checked against brute force: the sums of full and of empty rings');
  const share = (shape: (typeof SHAPES)[number]): Goal => spread(found[shape].map(({ perValue }) => perValue / PLAIN_BYTES));
  const goals = { G17: share('usual'), G17long: share('long') };
  printGoals(goals);
  const arms = Object.fromEntries(SHAPES.map((shape) => [shape, { shareOf16Bytes: share(shape), rounds: found[shape] }]));
  const resultHash = SHAPES.map((shape) => found[shape][0]!.hash.toString(16)).join('-');
  if (!smoke) writeResult('ring_bytes', { size, resultHash, arms, goals }, null, SEED);
}
