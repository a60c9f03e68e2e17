// The pages of the documentation, and what is fenced in them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

export type Block = {
  /** After the fence; '' when there is nothing. */
  readonly language: string;
  /** Of its fence, from 1. */
  readonly line: number;
  readonly text: string;
};

/** Every page of docs/ and its folder of decisions, and those beside it, from the root of the project. */
export const PAGES: readonly string[] = [
  ...['docs', 'docs/adr'].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .sort()
      .map((name) => `${folder}/${name}`),
  ),
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'bench/README.md'],
];

/** @param page from the root of the project */
export function pageText(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** All of a page, or those in one language. @throws Error when a fence is not closed */
export function blocksOf(page: string, language?: string): Block[] {
  const blocks: Block[] = [];
  let open: { indent: string; language: string; line: number; lines: string[] } | undefined;
  for (const [n, line] of pageText(page).split('\n').entries()) {
    const [, indent = '', rest] = /^( *)```(.*)$/.exec(line) ?? [];
    if (open === undefined && rest !== undefined) open = { indent, language: rest.trim(), line: n + 1, lines: [] };
    else if (open !== undefined && rest === '') {
      blocks.push({ language: open.language, line: open.line, text: open.lines.map((each) => `${each}\n`).join('') });
      open = undefined;
    } else open?.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
  }
  if (open !== undefined) throw new Error(`${page}:${open.line}: a fence that is not closed`);
  return language === undefined ? blocks : blocks.filter((block) => block.language === language);
}
