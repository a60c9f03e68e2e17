// docs/operations.md has a row for every code with which a shard can halt, figures that are today's results, and commands that parse.
// UPDATE_DOCS=1 writes the figures.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { beforeAll, describe, expect, test } from 'vitest';
import { allCommands } from '../../support/all_commands.ts';
import { anchorsOf } from '../../support/headings.ts';
import { parsed } from '../../support/parsed_command.ts';
import { shellWords } from '../../support/shell_words.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PAGE = join(ROOT, 'docs/operations.md');
const page = readFileSync(PAGE, 'utf8');

function between(name: string): string {
  const found = new RegExp(`<!-- ${name}:[^\\n]*-->\\n([\\s\\S]*?)<!-- /${name} -->`).exec(page);
  expect(found, `the part '${name}' of the page`).not.toBeNull();
  return found![1]!;
}

describe('codes', () => {
  const SOURCE = join(ROOT, 'src');
  const sources = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ file, text: readFileSync(join(SOURCE, file), 'utf8') }));
  /** Of kind stop_shard, and yet no shard is ever halted with them. */
  const NEVER = [
    'shard_halted', // the answer to who reads from a shard that is halted
    'store_taken', // of the memory twin, which no worker has
  ];
  /** A failure that nothing else can be done about halts, whatever its kind; these are the ones that happen in a shard's life. */
  const OTHER_KINDS = ['bad_secret', 'not_allowed', 'not_set_up', 'no_stream'];

  /** By code: where it is thrown with kind stop_shard. */
  function halting(): Map<string, string> {
    const found = new Map<string, string>();
    let throws = 0;
    for (const { file, text } of sources) {
      // a helper of the file, called with the code
      if (/function halt\(code: string/.test(text))
        for (const [, code] of text.matchAll(/\bhalt\(\s*'(\w+)'/g)) found.set(code!, file);
      // each throw from its beginning to the next one's; its options come after its code
      const parts = text.split('new VisageError(').slice(1);
      for (const part of parts) {
        const own = part.split(/\n(?:export )?(?:async )?function |\n {2}\/\*\*/)[0]!;
        if (!own.includes("kind: 'stop_shard'")) continue;
        throws++;
        const [, code] = /^\s*'(\w+)'/.exec(own) ?? [];
        if (code === undefined) expect(own, `${file}: a code that this test cannot read`).toMatch(/^code, message/);
        else found.set(code, file);
      }
    }
    const written = sources.reduce((sum, { text }) => sum + text.split("kind: 'stop_shard'").length - 1, 0);
    expect(throws, "every kind: 'stop_shard' is of a throw that was looked at").toBe(written);
    return found;
  }

  const rows = between('halt codes')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split(' | '));
  const listed = rows.flatMap(([codes = '']) => [...codes.matchAll(/`(\w+)`/g)].map(([, code]) => code!));

  test('every code that halts a shard has its row, once, with what to do', () => {
    const wanted = [...halting().keys()].filter((code) => !NEVER.includes(code));
    expect(wanted.length).toBeGreaterThan(20);
    expect([...listed].sort()).toEqual([...new Set([...wanted, ...OTHER_KINDS, 'defect'])].sort());
    for (const row of rows) {
      expect(row, row[0]).toHaveLength(3);
      for (const cell of row) expect(cell.length, row[0]).toBeGreaterThan(5);
    }
  });

  test('what is excepted, or listed beside them, is still there', () => {
    const all = sources.map(({ text }) => text).join('\n');
    for (const code of [...NEVER, ...OTHER_KINDS, 'defect']) expect(all, code).toContain(`'${code}'`);
  });

  test('headings that the page refers to are there, on other pages too', () => {
    const links = [...page.matchAll(/\]\((\w+\.md)?#([^)]*)\)/g)];
    expect(links.length).toBeGreaterThan(20);
    for (const [, other, anchor] of links) {
      const text = other === undefined ? page : readFileSync(join(ROOT, 'docs', other), 'utf8');
      expect([...anchorsOf(text).values()], other).toContain(anchor);
    }
  });
});

describe('figures', () => {
  type Goal = { readonly median: number; readonly min: number; readonly max: number };
  type Stored = {
    readonly profiles: number;
    readonly fileBytes: number;
    readonly pageBytes: number;
    readonly encodedBytes: number;
  };

  function result<T>(name: string): T {
    return JSON.parse(readFileSync(join(ROOT, 'bench/results', `${name}.json`), 'utf8')) as T;
  }

  const whole = (n: number): string => Math.round(n).toLocaleString('en');
  const range = (numbers: readonly number[]): string => {
    const [least, most] = [whole(Math.min(...numbers)), whole(Math.max(...numbers))];
    return least === most ? least : `${least} to ${most}`;
  };
  const mb = (bytes: number): string => `${whole(bytes / 1024 ** 2)} MB`;

  function table(): string {
    const disk = result<{ arms: Record<'first' | 'second', { rounds: Stored[] }> }>('disk');
    const memory = result<{
      arms: { budget: number; cache: { bytes: number; profiles: number }; soak: { anonymous: number; rss: number }[] };
    }>('memory');
    const rings = result<{ size: { usual: { values: number } }; arms: { usual: { rounds: { perValue: number }[] } } }>(
      'ring_bytes',
    );
    const throughput = result<{
      arms: {
        worker: { eventsPerSecond: Goal; rounds: { events: number; cpuSeconds: number }[] };
        many: { eventsPerSecond: Goal };
      };
      size: { many: number };
    }>('throughput');
    const latency = result<{
      arms: {
        search: { sustainable: number };
        latency: Record<'p50Ms' | 'p99Ms' | 'p999Ms', Goal> & { rounds: { rate: number }[] };
      };
    }>('latency');
    const replay = result<{ arms: { replay: { eventsPerSecond: Goal } } }>('replay');
    const idle = result<{ size: { profiles: number }; goals: { G9: Goal } }>('idle');

    const restart = result<{ size: { many: number }; arms: { many: { ms: Goal } } }>('restart');
    const snapshot = result<{
      size: { rate: number; profiles: number; seconds: number };
      arms: Record<'neither' | 'snapshots', { p99Ms: Goal; rounds: { snapshots: number }[] }>;
    }>('snapshot');
    const rolling = result<{
      size: { rate: number };
      arms: { outcomes: { profiles: number; gapsMs: number[]; restartMs: number[] }[] };
    }>('rolling');

    const { first, second } = disk.arms;
    const each = (rounds: readonly Stored[], of: (round: Stored) => number): string =>
      range(rounds.map((round) => of(round) / round.profiles));
    const { p50Ms, p99Ms, p999Ms, rounds } = latency.arms.latency;
    const { worker, many } = throughput.arms;
    const { cache, budget, soak } = memory.arms;
    const cpu = worker.rounds.map(({ events, cpuSeconds }) => (cpuSeconds / events) * 1e6);
    const lines: readonly (readonly [string, string, string])[] = [
      ['bytes of an encoded profile', each(second.rounds, (round) => round.encodedBytes), 'disk'],
      ['bytes of its pages on disk: what a snapshot takes', each(second.rounds, (round) => round.pageBytes), 'disk'],
      ['bytes of the file for each, after a first filling', each(first.rounds, (round) => round.fileBytes), 'disk'],
      ['the same, after every profile was written once more', each(second.rounds, (round) => round.fileBytes), 'disk'],
      ['bytes of a profile in memory', whole(cache.bytes / cache.profiles), 'memory'],
      [
        `memory of a worker with \`cache.maxBytes\` of ${mb(budget)}; with pages of files`,
        `${mb(Math.max(...soak.map(({ anonymous }) => anonymous)))}; ${mb(Math.max(...soak.map(({ rss }) => rss)))}`,
        'memory',
      ],
      [
        `bytes of a value in a window that keeps ${whole(rings.size.usual.values)}`,
        `${Math.max(...rings.arms.usual.rounds.map(({ perValue }) => perValue)).toFixed(1)}`,
        'ring_bytes',
      ],
      ['events a second of one worker, as fast as it can', whole(worker.eventsPerSecond.median), 'throughput'],
      [
        `the same on ${whole(throughput.size.many)} profiles, by chance, with a cold cache`,
        whole(many.eventsPerSecond.median),
        'throughput',
      ],
      ['microseconds of CPU an event, all threads', range(cpu), 'throughput'],
      ['events a second that it sustains with change events, lag not growing', whole(latency.arms.search.sustainable), 'latency'],
      [
        `latency at ${whole(rounds[0]!.rate)} events a second: p50, p99, p99.9`,
        `${[p50Ms, p99Ms, p999Ms].map(({ median }) => whole(median)).join(', ')} ms`,
        'latency',
      ],
      ['events a second in a replay', whole(replay.arms.replay.eventsPerSecond.median), 'replay'],
      [
        `percent of a core, idle with ${whole(idle.size.profiles)} values that are due some day`,
        idle.goals.G9.median.toFixed(2),
        'idle',
      ],
      [
        `seconds from the start of a worker with ${whole(restart.size.many)} profiles in its folder to its first event`,
        (restart.arms.many.ms.median / 1000).toFixed(1),
        'restart',
      ],
      ...rolling.arms.outcomes.flatMap(({ profiles, gapsMs, restartMs }): (readonly [string, string, string])[] => [
        [
          `ms for which reads of a shard wait while it is handed over, ${whole(profiles)} profiles in 16 shards, ${whole(rolling.size.rate)} events a second`,
          range(gapsMs),
          'rolling',
        ],
        [
          `seconds from SIGTERM to a worker until it is back with its share, ${whole(profiles)} profiles, three workers`,
          `${(Math.min(...restartMs) / 1000).toFixed(1)} to ${(Math.max(...restartMs) / 1000).toFixed(1)}`,
          'rolling',
        ],
      ]),
      [
        `snapshots a second, one after the other, of a shard with ${whole(snapshot.size.profiles / 16)} profiles, beside ${whole(snapshot.size.rate)} events a second`,
        (
          snapshot.arms.snapshots.rounds.reduce((sum, round) => sum + round.snapshots, 0) /
          snapshot.arms.snapshots.rounds.length /
          snapshot.size.seconds
        ).toFixed(1),
        'snapshot',
      ],
      [
        `latency p99 while that is done, and while nothing is stored`,
        `${whole(snapshot.arms.snapshots.p99Ms.median)}, ${whole(snapshot.arms.neither.p99Ms.median)} ms`,
        'snapshot',
      ],
    ];
    const rows = lines.map(([what, figure, file]) => `| ${what} | ${figure} | \`bench/results/${file}.json\` |`);
    return ['', '| what | figure | from |', '|---|---|---|', ...rows, '', ''].join('\n');
  }

  test('are those of bench/results', () => {
    const now = table();
    if (process.env['UPDATE_DOCS'] === '1')
      writeFileSync(
        PAGE,
        page.replace(/(<!-- figures:.*-->\n)[\s\S]*?(?=<!-- \/figures -->)/, (_, begin: string) => begin + now),
      );
    else expect(between('figures'), 'run UPDATE_DOCS=1 npx vitest run --project unit test/unit/docs').toBe(now);
  });
});

describe('commands', () => {
  let program: () => Command;

  beforeAll(async () => {
    program = await allCommands();
  });

  const read = (words: readonly string[]): unknown => parsed(program(), words);

  const pages = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));

  test.each(pages)('of docs/%s parse', (name) => {
    const text = readFileSync(join(ROOT, 'docs', name), 'utf8');
    const shown = [...text.matchAll(/^```(?:sh|console)\n([\s\S]*?)^```/gm)].map(([, block]) => block!.replaceAll('\\\n', ' '));
    for (const [, line] of shown.join('').matchAll(/\bnpx visage ([^\n]*)$/gm)) {
      const words = shellWords(line!.split(/ (?:\|+|>) /)[0]!);
      expect(() => read(words), line).not.toThrow();
    }
  });

  test('what is not known is refused', () => {
    expect(() => read(['status', '--nope'])).toThrow('does not know --nope');
    expect(() => read(['nope'])).toThrow("no command 'nope'");
    expect(() => read(['resync', '--rebuild', '--yes'])).toThrow('needs --shard');
    expect(() => read(['get', 'customerId'])).toThrow('takes 2 to 2 arguments');
  });
});
