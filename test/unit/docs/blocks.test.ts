// Every fenced block of the documentation, and every command of a console block, is run or read by a test, or stands here with the reason why it cannot be.
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { stepsOf } from '../../support/console_session.ts';
import { blocksOf, PAGES, ROOT } from '../../support/doc_pages.ts';

/** A block, or one command of it. */
type Unit = {
  readonly page: string;
  readonly language: string;
  readonly line: number;
  readonly text: string;
  readonly shown: string;
};
type Rule = {
  readonly page: RegExp;
  readonly language: string | RegExp;
  readonly text?: RegExp;
  /** What it prints stands there, too. */
  readonly withAnswer?: true;
} & ({ readonly by: string } | { readonly notRun: string });

const DOCS = /^docs\/\w+\.md$/;
const LONG = 'it runs on; the same command is started by test/e2e/docs.test.ts';
const RESTORE = 'it is for a root that was restored; each way is gone in test/integration/restore.test.ts and resync.test.ts';
const CONTAINERS =
  'it needs a container engine; the files are checked by test/unit/config/container.test.ts and test/e2e/image.test.ts';
const CLUSTER = 'it needs a Kubernetes cluster; the files are checked by test/unit/config/kubernetes.test.ts';
const OTHER =
  'it is in another language, or for a tool that is no part of this project: the page says that our tests do not run it';

/** The first that fits counts. */
const RULES: readonly Rule[] = [
  { page: /definitions\.md/, language: /^(sh|yaml|ndjson)$/, by: 'test/e2e/guide.test.ts' },
  { page: /definitions\.md/, language: 'console', text: /^npx visage (worker|explain) /, by: 'test/e2e/guide.test.ts' },
  { page: DOCS, language: 'sh', by: 'test/e2e/docs.test.ts' },
  { page: DOCS, language: 'ts', by: 'test/e2e/docs.test.ts' },
  { page: DOCS, language: 'console', text: /^curl /, by: 'test/integration/api_examples.test.ts' },
  { page: DOCS, language: 'console', text: /npx visage /, withAnswer: true, by: 'test/e2e/docs.test.ts' },
  { page: /api\.md/, language: 'ndjson', by: 'test/integration/api_examples.test.ts' },
  { page: /run\.md/, language: 'text', by: 'test/e2e/docs.test.ts' },
  { page: /run\.md/, language: 'console', text: /^nats-server -c nats\.conf/, by: 'test/e2e/docs.test.ts' },
  { page: /publish\.md/, language: /^(csv|ndjson|json)$/, by: 'test/e2e/docs.test.ts' },
  { page: /(run|publish)\.md/, language: 'yaml', by: 'test/e2e/docs.test.ts' },
  { page: /definitions_reference\.md/, language: 'yaml', by: 'test/unit/definitions/documented.test.ts' },
  { page: /definitions_reference\.md/, language: 'text', by: 'test/unit/docs/settings.test.ts' },
  { page: /coming_from_adobe\.md/, language: /^(yaml|json)$/, by: 'test/unit/docs/coming_from_adobe.test.ts' },
  { page: /metrics\.md/, language: 'yaml', by: 'test/unit/docs/settings.test.ts' },
  { page: /security\.md/, language: 'yaml', text: /^# reader\.yaml/, by: 'test/integration/permissions.test.ts' },
  { page: /security\.md/, language: /^(yaml|json)$/, by: 'test/unit/docs/settings.test.ts' },
  { page: /operations\.md/, language: 'yaml', by: 'test/unit/config/kubernetes.test.ts' },
  { page: /architecture\.md/, language: 'mermaid', by: 'test/unit/worker/drawings.test.ts' },
  { page: /architecture\.md/, language: '', notRun: 'a picture' },
  { page: /run\.md/, language: 'console', text: /^docker /, notRun: CONTAINERS },
  { page: /operations\.md/, language: 'console', text: /^kubectl /, notRun: CLUSTER },
  { page: /operations\.md/, language: 'console', text: /^npx visage (resync|setup|worker) /, notRun: RESTORE },
  { page: /run\.md/, language: 'console', text: /^npx visage worker --config/, notRun: LONG },
  {
    page: /run\.md/,
    language: 'console',
    text: /^npx visage worker --rebuild/,
    notRun: 'it runs on, and needs other definitions; test/integration/rebuild.test.ts rebuilds',
  },
  {
    page: /security\.md/,
    language: 'console',
    notRun: 'the server would take the port of the machine; the same files are run by test/integration/permissions.test.ts',
  },
  { page: /publish\.md/, language: 'console', text: /^nats req /, notRun: OTHER },
  { page: /publish\.md/, language: /^(python|go)$/, notRun: OTHER },
  { page: /^README\.md/, language: 'sh', text: /^npm ci && npm test/, notRun: 'it is this' },
  { page: /^README\.md/, language: 'sh', text: /^npm ci && npm run demo/, by: 'test/e2e/demo.test.ts' },
  { page: /^README\.md/, language: 'text', by: 'test/e2e/demo.test.ts' },
  { page: /^README\.md/, language: 'sh', text: /^docker /, notRun: CONTAINERS },
  { page: /^README\.md/, language: 'yaml', text: /^# (worker|my)\.yaml/, by: 'test/e2e/readme.test.ts' },
  { page: /^README\.md/, language: 'yaml', by: 'test/unit/docs/settings.test.ts' },
  { page: /^README\.md/, language: 'sh', by: 'test/e2e/readme.test.ts' },
  {
    page: /^bench\//,
    language: '',
    notRun: 'each takes minutes; every one of them runs tiny in `npm test`, as `npm run bench -- all --smoke`',
  },
];

function unitsOf(page: string): Unit[] {
  return blocksOf(page).flatMap(({ language, line, text }) =>
    language === 'console'
      ? stepsOf(text).map(({ command, shown }) => ({ page, language, line, text: command, shown: shown.trim() }))
      : [{ page, language, line, text, shown: '' }],
  );
}

const units = PAGES.flatMap(unitsOf);

function fits(rule: Rule, unit: Unit): boolean {
  const { language } = rule;
  return (
    rule.page.test(unit.page) &&
    (typeof language === 'string' ? language === unit.language : language.test(unit.language)) &&
    (rule.text?.test(unit.text) ?? true) &&
    (rule.withAnswer === undefined || unit.shown !== '')
  );
}

const ruleOf = (unit: Unit): Rule | undefined => RULES.find((rule) => fits(rule, unit));

test('every block and every command is run, or it is said why not', () => {
  expect(units.length).toBeGreaterThan(120);
  expect(units.filter((unit) => ruleOf(unit) === undefined).map(({ page, line, text }) => `${page}:${line} ${text}`)).toEqual([]);
});

test('what is said of no block is said no more', () => {
  const used = new Set(units.map(ruleOf));
  expect(RULES.filter((rule) => !used.has(rule)).map(({ page, language }) => `${page} ${language}`)).toEqual([]);
});

test('the tests are there, and look at these pages', () => {
  const EVERY_PAGE = /\bPAGES\b|\bGUIDE\b/;
  for (const unit of units) {
    const rule = ruleOf(unit)!;
    if (!('by' in rule)) {
      for (const [file] of rule.notRun.matchAll(/test\/[\w/]+\.test\.ts/g)) expect(existsSync(join(ROOT, file)), file).toBe(true);
      continue;
    }
    const text = readFileSync(join(ROOT, rule.by), 'utf8');
    expect(EVERY_PAGE.test(text) || text.includes(basename(unit.page)), `${rule.by} looks at ${unit.page}`).toBe(true);
  }
});

test('most of them are run', () => {
  const not = units.filter((unit) => 'notRun' in ruleOf(unit)!);
  expect(not.length / units.length).toBeLessThan(0.25);
});
