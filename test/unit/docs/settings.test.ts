// Small files that the pages show, given to whatever reads them; and what README.md shows of the example definitions.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadSettings } from '../../../src/definitions/load_settings.ts';
import { loadTokens } from '../../../src/definitions/load_tokens.ts';
import { SETTING_KEYS } from '../../../src/definitions/setting_keys.ts';
import { blocksOf, ROOT } from '../../support/doc_pages.ts';

const folder = mkdtempSync(join(tmpdir(), 'visage-pages-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const yamlOf = (page: string, begins: string): string => blocksOf(page, 'yaml').find(({ text }) => text.startsWith(begins))!.text;
function written(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

test('docs/metrics.md: Prometheus asks the admin port, as the job that the rules know', () => {
  const { scrape_configs: jobs } = parse(yamlOf('docs/metrics.md', '# prometheus.yml')) as {
    scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
  };
  const port = SETTING_KEYS.find(({ key }) => key === 'admin.port')!.standard;
  expect(jobs.map((job) => [job.job_name, job.static_configs[0]!.targets])).toEqual([['visage', [`127.0.0.1:${String(port)}`]]]);
  expect(readFileSync(join(ROOT, 'config/prometheus/prometheus.yml'), 'utf8')).toContain('job_name: visage');
});

test('docs/security.md: the settings with tokens, and the tokens', () => {
  const settings = loadSettings({ env: {}, file: written('worker.yaml', yamlOf('docs/security.md', '# worker.yaml')) });
  expect(settings.http).toMatchObject({ host: '0.0.0.0', tokensFile: './tokens.yaml' });
  const [token] = loadTokens(written('tokens.yaml', yamlOf('docs/security.md', '# tokens.yaml')));
  expect(token).toMatchObject({ name: 'shop', datasets: ['orders'] });
  expect([...token!.scopes]).toEqual(['write']);
});

test('docs/security.md: what is laid over docker/compose.yaml is about a service that is there, and a folder that is', () => {
  const { services } = parse(yamlOf('docs/security.md', 'services:')) as { services: { nats: { volumes: string[] } } };
  const compose = parse(readFileSync(join(ROOT, 'docker/compose.yaml'), 'utf8')) as { services: object; volumes: object };
  expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(Object.keys(services)));
  const [host, named] = services.nats.volumes.map((volume) => volume.split(':')[0]!);
  expect(existsSync(join(ROOT, 'docker', host!, 'server.conf'))).toBe(true);
  expect(Object.keys(compose.volumes)).toContain(named);
});

test('docs/security.md: the line about who deleted what has the members that such a line has', () => {
  const line = JSON.parse(blocksOf('docs/security.md', 'json')[0]!.text) as { audit: object };
  const source = readFileSync(join(ROOT, 'src/api/audit.ts'), 'utf8');
  const entry = /export type AuditEntry = \{([^]*?)\n\};/.exec(source)![1]!;
  const members = [...entry.matchAll(/readonly (\w+)\??:/g)].map(([, name]) => name);
  for (const name of Object.keys(line.audit)) expect(members).toContain(name);
});

test('docs/definitions_reference.md: the line for editors is that of the example', () => {
  const { text } = blocksOf('docs/definitions_reference.md', 'text')[0]!;
  expect(readFileSync(join(ROOT, 'config/definitions.example.yaml'), 'utf8').split('\n')[0]).toBe(text.trim());
  expect(existsSync(join(ROOT, 'config', /schema=(\S+)/.exec(text)![1]!))).toBe(true);
});

test('README.md: its definitions are those of the example', () => {
  type Sections = Readonly<Record<string, Readonly<Record<string, object>>>>;
  const example = parse(readFileSync(join(ROOT, 'config/definitions.example.yaml'), 'utf8')) as Sections;
  const shown = blocksOf('README.md', 'yaml').filter(({ text }) => !text.startsWith('# '));
  expect(shown.length).toBeGreaterThan(1);
  for (const { text } of shown) {
    for (const [section, entries] of Object.entries(parse(text) as Sections))
      for (const [name, entry] of Object.entries(entries)) expect(example[section]![name], name).toMatchObject(entry);
  }
});
