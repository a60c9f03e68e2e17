// Every link of the documentation leads somewhere: the file is there, and so is the heading; and every path of this project that a page names.
import { existsSync, globSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { PAGES, pageText, ROOT } from '../../support/doc_pages.ts';

const PATH = /^(?:src|test|docs|config|bench|docker)\/[\w./{},*-]+$/;
/** Without what is fenced, and without comments. */
function prose(page: string): string {
  return pageText(page)
    .replaceAll(/^ *```[\s\S]*?^ *```/gm, '')
    .replaceAll(/<!--[\s\S]*?-->/g, '');
}

/** As GitHub makes them. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of prose(page).matchAll(/^#+ (.*)$/gm)) {
    const anchor = heading!
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-');
    let n = 0;
    let free = anchor;
    while (anchors.has(free)) free = `${anchor}-${++n}`;
    anchors.add(free);
  }
  return anchors;
}

function linksOf(page: string): string[] {
  const text = prose(page);
  const inline = [...text.matchAll(/\]\(<?([^)\s>]+)>?\)/g)].map(([, target]) => target!);
  const attributes = [...text.matchAll(/(?:src|srcset|href)="([^"]+)"/g)].map(([, target]) => target!);
  return [...inline, ...attributes].filter((target) => !/^(https?:|mailto:)/.test(target));
}

test('there are pages, and links in them', () => {
  expect(PAGES.length).toBeGreaterThan(40);
  expect(PAGES.flatMap(linksOf).length).toBeGreaterThan(150);
});

test.each(PAGES)('links of %s', (page) => {
  const wrong = linksOf(page).filter((link) => {
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? page : normalize(join(dirname(page), file));
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && !anchorsOf(target).has(anchor);
  });
  expect(wrong).toEqual([]);
});

test.each(PAGES)('files that %s names', (page) => {
  const named = [...prose(page).matchAll(/`([^`\n]+)`/g)]
    .map(([, code]) => code!.replace(/:\d+$/, ''))
    .filter((code) => PATH.test(code));
  const missing = named.filter((path) => globSync(path.replace(/\/$/, ''), { cwd: ROOT }).length === 0);
  expect(missing).toEqual([]);
});

test('docs/README.md leads to every page', () => {
  const pages = PAGES.filter((page) => /^docs\/\w+\.md$/.test(page) && page !== 'docs/README.md');
  expect(linksOf('docs/README.md')).toEqual(expect.arrayContaining(pages.map((page) => page.replace('docs/', ''))));
});

test('docs/dependencies.md has every package', () => {
  const { dependencies, devDependencies } = JSON.parse(pageText('package.json')) as Record<string, Record<string, string>>;
  const said = pageText('docs/dependencies.md');
  const missing = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => {
    const [scope, own] = name.startsWith('@nats-io/') ? ['@nats-io', name.slice(9)] : [name, name];
    return !(said.includes(scope) && said.includes(own)) && !name.startsWith('@types/');
  });
  expect(missing).toEqual([]);
});
