// The tables of docs/dashboards.md are the dashboards' own words. UPDATE_DOCS=1 writes them.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readDashboards } from '../../../bench/dashboards.ts';
import { anchorsOf } from '../../support/headings.ts';

const DOC = new URL('../../../docs/dashboards.md', import.meta.url);
const UNITS: Readonly<Record<string, string>> = {
  short: '',
  ops: 'a second',
  s: 'seconds',
  bytes: 'bytes',
  percentunit: 'percent',
};
const ORDER = ['overview.json', 'shards.json', 'storage.json', 'input_quality.json'];

function tables(): string {
  const dashboards = readDashboards();
  return ORDER.flatMap((file) => {
    const { title, description, panels } = dashboards.get(file)!;
    const name = title.replace('Visage: ', '');
    return [
      '',
      `## ${name[0]!.toUpperCase()}${name.slice(1)}`,
      '',
      `\`${file}\`: ${description}`,
      '',
      '| panel | in | what it says |',
      '|---|---|---|',
      ...panels.map((panel) => `| ${panel.title} | ${UNITS[panel.fieldConfig.defaults.unit]!} | ${panel.description} |`),
    ];
  }).join('\n');
}

test('docs/dashboards.md has every panel', () => {
  const text = readFileSync(DOC, 'utf8');
  const [begin] = /<!-- panels: .* -->\n/.exec(text)!;
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf('<!-- /panels -->');
  const expected = `${tables()}\n\n`;
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOC, text.slice(0, from) + expected + text.slice(to));
  else expect(text.slice(from, to)).toBe(expected);
});

test('its symptoms name panels and places that are there', () => {
  const text = readFileSync(DOC, 'utf8');
  const symptoms = text.slice(0, text.indexOf('## Provision them'));
  const titles = [...readDashboards().values()].flatMap(({ panels }) => panels.map(({ title }) => title));
  const named = [...symptoms.matchAll(/\*([^*]+)\*/g)].map(([, title]) => title!);
  expect(named.length).toBeGreaterThan(10);
  for (const title of named)
    expect(
      titles.some((known) => known === title || known.startsWith(`${title},`)),
      title,
    ).toBe(true);
  const operations = readFileSync(new URL('operations.md', DOC), 'utf8');
  for (const [, page, anchor] of text.matchAll(/\]\((operations\.md)?#([^)]*)\)/g))
    expect([...anchorsOf(page === undefined ? text : operations).values()]).toContain(anchor);
});
