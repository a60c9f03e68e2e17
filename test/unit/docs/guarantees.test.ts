// docs/guarantees.md: its numbers are those of test/soak-results, and each promise says what it rests on and which tests hold it.
// That every file and page that it names is there is for links.test.ts. UPDATE_DOCS=1 writes the numbers.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pageText, ROOT } from '../../support/doc_pages.ts';

const PAGE = 'docs/guarantees.md';
const page = pageText(PAGE);

type Run = {
  readonly published: number;
  readonly changeEvents: number;
  readonly deadLettersRepeated: number;
  readonly problems: number;
};
type Killed = Run & { readonly kills: number; readonly killsInRecovery: number; readonly expiries: number };
type Chaos = Run & { readonly servers: number; readonly faults: Readonly<Record<string, number>> };
type Checked = { readonly runs: number; readonly messages: number; readonly changes: number; readonly problem: string | null };
type Found<T> = { readonly commit: string; readonly outcomes: readonly T[] };

function result<T>(name: string): T {
  return JSON.parse(readFileSync(join(ROOT, 'test/soak-results', `${name}.json`), 'utf8')) as T;
}

const whole = (n: number): string => n.toLocaleString('en');
function sum<T>(runs: readonly T[], of: (run: T) => number): number {
  return runs.reduce((all, run) => all + of(run), 0);
}

function table(): string {
  const simulated = result<
    Record<'seeds' | 'messages' | 'crashes' | 'awaits' | 'comparisons' | 'changeEvents' | 'differences', number> & {
      readonly commit: string;
      readonly faults: { readonly worlds: number };
    }
  >('simulation');
  const kill9 = result<Found<Killed>>('kill9');
  const chaos = result<Found<Chaos>>('chaos');
  const properties = result<Found<Checked>>('properties');
  const killed = kill9.outcomes;
  const rows: string[][] = [
    [
      'simulated worlds, of one worker and of several: crashes, lost answers, forgotten writes',
      `${whole(simulated.seeds)} worlds, ${whole(simulated.faults.worlds)} of them with several workers; ${whole(simulated.messages)} messages, ${whole(simulated.crashes)} crashes, ${whole(simulated.comparisons)} comparisons of profiles`,
      `${whole(simulated.differences)} differences`,
      'simulation',
      simulated.commit,
    ],
    [
      'a real worker killed with `kill -9` while events stream in and while values leave',
      `${whole(sum(killed, (run) => run.published))} messages, ${whole(sum(killed, (run) => run.kills))} kills, ${whole(sum(killed, (run) => run.killsInRecovery))} of them in a recovery; ${whole(sum(killed, (run) => run.changeEvents))} change events`,
      `${whole(sum(killed, (run) => run.problems))} problems, ${whole(sum(killed, (run) => run.deadLettersRepeated))} dead letters twice`,
      'kill9',
      kill9.commit,
    ],
    ...chaos.outcomes.map((run) => [
      `workers that come, go, stand still and are killed, and servers that restart: on ${run.servers === 1 ? 'one server' : `${run.servers} servers`}`,
      `${whole(run.published)} messages; ${Object.entries(run.faults)
        .map(([fault, times]) => `${times} × ${fault}`)
        .join(', ')}; ${whole(run.changeEvents)} change events`,
      `${whole(run.problems)} problems`,
      'chaos',
      chaos.commit,
    ]),
    [
      'random definitions and logs, every function and window, at every instant',
      `${whole(sum(properties.outcomes, (run) => run.runs))} runs, ${whole(sum(properties.outcomes, (run) => run.messages))} messages, ${whole(sum(properties.outcomes, (run) => run.changes))} changes`,
      `${whole(properties.outcomes.filter(({ problem }) => problem !== null).length)} problems`,
      'properties',
      properties.commit,
    ],
  ];
  return [
    '',
    '| what | how much | found | from | commit |',
    '|---|---|---|---|---|',
    ...rows.map(
      ([what, much, found, file, commit]) => `| ${what} | ${much} | ${found} | \`test/soak-results/${file}.json\` | ${commit} |`,
    ),
    '',
    '',
  ].join('\n');
}

test('its numbers are those of test/soak-results', () => {
  const [, begin, shown] = /(<!-- soak: .* -->\n)([\s\S]*?)<!-- \/soak -->/.exec(page)!;
  if (process.env['UPDATE_DOCS'] === '1')
    writeFileSync(
      join(ROOT, PAGE),
      page.replace(begin! + shown!, () => begin! + table()),
    );
  else expect(shown, 'run UPDATE_DOCS=1 npx vitest run --project unit test/unit/docs').toBe(table());
});

describe('each promise', () => {
  const sections = page
    .split(/^## /m)
    .slice(1)
    .filter((section) => section.includes('**Promised.**'));

  test('there are seven', () => {
    expect(sections).toHaveLength(7);
  });

  test.each(sections.map((section) => [section.split('\n')[0]!, section]))('%s', (_, section) => {
    const parts = /^\*\*Promised\.\*\* .{40,}\n\*\*Rests on\.\*\* (.{40,})\n\*\*Tested\.\*\* (.*)$/m.exec(section);
    expect(parts).not.toBeNull();
    expect(parts![1]).toMatch(/\]\((adr|architecture)/);
    expect([...parts![2]!.matchAll(/`test\/[\w/]+\.test\.ts`/g)].length).toBeGreaterThan(1);
  });

  test('each thing that goes wrong has a test', () => {
    const wrong = /^## When something goes wrong\n([\s\S]*?)^## /m.exec(page)![1]!;
    const rows = [...wrong.matchAll(/^\| (?!what|---)(.*) \| (.*) \| (.*) \|$/gm)];
    expect(rows.length).toBeGreaterThan(12);
    for (const [, what, , tests] of rows) expect(tests, what).toMatch(/^`test\/[\w/]+\.test\.ts`(, `test\/[\w/]+\.test\.ts`)*$/);
  });
});
