// The tables of docs/metrics.md are the catalogue, and what prom-client brings. UPDATE_DOCS=1 writes them.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { TOPICS } from '../../../src/metrics/catalogue.ts';
import { processRegistry } from '../../../src/metrics/prometheus.ts';

const DOC = new URL('../../../docs/metrics.md', import.meta.url);

const row = (...cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
const code = (text: string): string => `\`${text}\``;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [row(...head), `|${head.map(() => '---').join('|')}|`, ...rows.map((cells) => row(...cells))];
}

function ofVisage(): string[] {
  return TOPICS.flatMap(({ topic, metrics }) => [
    `## ${topic}`,
    '',
    ...table(
      ['name', 'kind', 'labels', 'what it says', 'what to think'],
      metrics.map(({ name, kind, labels, help, meaning }) => [code(name), kind, labels.map(code).join(', '), help, meaning]),
    ),
    '',
  ]);
}

async function ofTheProcess(): Promise<string[]> {
  const metrics = await processRegistry().getMetricsAsJSON();
  const rows = metrics.map(({ name, type, help }) => [code(name), String(type), help.replace(/\.$/, '')]);
  return ['## The process', '', "Node's own, as prom-client has them.", '', ...table(['name', 'kind', 'what it says'], rows)];
}

test('docs/metrics.md has every metric', async () => {
  const text = readFileSync(DOC, 'utf8');
  const [begin] = /<!-- metrics: .* -->\n/.exec(text)!;
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf('<!-- /metrics -->');
  expect(to).toBeGreaterThanOrEqual(from);
  const expected = ['', ...ofVisage(), ...(await ofTheProcess()), '', ''].join('\n');
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOC, text.slice(0, from) + expected + text.slice(to));
  else expect(text.slice(from, to)).toBe(expected);
});
