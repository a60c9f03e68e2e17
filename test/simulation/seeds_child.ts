// A process that runs every `stride`-th of some seeds and writes one line of JSON a seed. Arguments: first seed, seeds, stride.
import { optionsOf, replayCommand } from '../../src/simulation/replay_command.ts';
import { simulate } from '../../src/simulation/simulate.ts';
import { definitions, fileOf, FILES } from './worlds.ts';

const [first, seeds, stride] = process.argv.slice(2).map(Number) as [number, number, number];
for (let seed = first; seed < first + seeds; seed += stride) {
  const file = fileOf(seed);
  const result = await simulate(optionsOf(seed, definitions(file), {}));
  const flags = file === FILES[0] ? {} : { definitionsFile: `config/${file}` };
  process.stdout.write(`${JSON.stringify({ ...result, replay: replayCommand(seed, flags) })}\n`);
}
