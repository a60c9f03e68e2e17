// docs/glossary.md: each word once, in order, and a word that the other pages use.
import { expect, test } from 'vitest';
import { PAGES, pageText } from '../../support/doc_pages.ts';

const PAGE = 'docs/glossary.md';
const rows = [...pageText(PAGE).matchAll(/^\| (?!word|---)(.+?) \| (.+) \|$/gm)].map(([, word, meaning]) => ({
  word: word!,
  meaning: meaning!,
}));

test('the words are in order, each once', () => {
  const words = rows.map(({ word }) => word);
  expect(words.length).toBeGreaterThan(35);
  expect(words).toEqual([...new Set(words)].sort());
});

test.each(rows)('$word: a sentence or three, and a word that is used', ({ word, meaning }) => {
  const said = meaning.replaceAll(/ ?\[[^\]]*\]\([^)]*\)/g, '');
  expect(said.length).toBeGreaterThan(25);
  expect(said.split(/[.:] /).length).toBeLessThan(5);
  const used = new RegExp(word.replace(' ', "(?:'s)? "), 'i');
  const others = PAGES.filter((page) => page.startsWith('docs/') && page !== PAGE).map(pageText);
  expect(others.filter((text) => used.test(text)).length).toBeGreaterThan(1);
});
