// A process that runs every `stride`-th of some seeds and writes one line of JSON a seed. Every other seed has several workers. Arguments: first seed, seeds, stride.
import { optionsOf, replayCommand } from '../../src/simulation/replay_command.ts';
import { simulate } from '../../src/simulation/simulate.ts';
import { definitions, fileOf, FILES, workersOf } from './worlds.ts';

const [first, seeds, stride] = process.argv.slice(2).map(Number) as [number, number, number];
// the seeds of a process are of both kinds
for (let seed = first; seed < first + seeds; seed += stride) {
  const file = fileOf(seed);
  const workers = workersOf(seed);
  const flags = { ...(file === FILES[0] ? {} : { definitionsFile: `config/${file}` }), ...(workers > 1 && { workers }) };
  const result = await simulate(optionsOf(seed, definitions(file), flags));
  process.stdout.write(`${JSON.stringify({ ...result, replay: replayCommand(seed, flags) })}\n`);
}
