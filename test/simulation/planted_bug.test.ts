// A simulation that finds nothing proves nothing: every planted bug is found, soon, and by the same command again.
import { describe, expect, it } from 'vitest';
import { PLANTED_BUGS, type PlantedBug } from '../../src/simulation/planted_bug.ts';
import { describeSeed } from '../../src/simulation/replay_command.ts';
import { FILES, run } from './worlds.ts';

const SEEDS_MAX = 20;
/** What needs several workers to be seen, or shows with several too. */
const OF_FLEETS: readonly PlantedBug[] = ['skipped-fence', 'trusts-for-ever'];
const WITH_FLEETS: readonly PlantedBug[] = [...OF_FLEETS, 'checkpoint-past-commit', 'lost-tick'];
const FLEET_SEEDS_MAX = 80;

/** What the first finding must be about: found for the right reason. */
const SYMPTOM: Readonly<Record<PlantedBug, RegExp>> = {
  'lost-tick': /change events: .*(previousVersion|exported)|not_deterministic|stuck/,
  'late-leave': /time is|computed\.|has not|have not left|log_rewound/,
  'double-count': /computed\.|change event says/,
  'lost-event': /I5|computed\.|change event|profile/,
  'store-loses-a-profile': /change events|not_deterministic|computed\.|profile/,
  'checkpoint-past-commit': /I3|changes_rewound|change events/,
  'skipped-fence': /came twice|stands before|epoch|previousVersion|change events/,
  'trusts-for-ever': /two workers act as owner|stuck/,
  'repeat-after-crash': /came twice/,
  'lost-dead-letter': /I5/,
  'stale-write': /attributes|profile|change event|dead letter|I5/,
  'merge-replaces': /attributes|profile|change event|dead letter|I5/,
  'repeated-record': /attributes|profile|change event|dead letter|I5/,
  'deleted-comes-back': /attributes|profile|change event|computed\./,
  'sweep-skips-a-profile': /counts \d+ profiles|change event|not_deterministic/,
  'created-for-updated': /it is a visage\.profile\.created/,
};

describe('planted bugs', () => {
  it.each((Object.keys(PLANTED_BUGS) as PlantedBug[]).filter((bug) => !OF_FLEETS.includes(bug)))('%s is found', async (bug) => {
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      const result = await run(seed, FILES[0], { bug });
      if (result.finding === null) continue;
      expect(result.finding.what).toMatch(SYMPTOM[bug]);
      expect(describeSeed(result, { bug })).toContain(`visage simulate --seed ${seed} --bug ${bug}`);
      expect(await run(seed, FILES[0], { bug })).toEqual(result);
      return;
    }
    expect.fail(`not found by ${SEEDS_MAX} seeds`);
  });

  it.each(WITH_FLEETS)(
    '%s is found among several workers',
    async (bug) => {
      const flags = { bug, workers: 3 };
      for (let seed = 1; seed <= FLEET_SEEDS_MAX; seed++) {
        const result = await run(seed, FILES[0], flags);
        if (result.finding === null) continue;
        expect(result.finding.what).toMatch(SYMPTOM[bug]);
        expect(await run(seed, FILES[0], flags)).toEqual(result);
        return;
      }
      expect.fail(`not found by ${FLEET_SEEDS_MAX} seeds`);
    },
    60_000,
  );
});
