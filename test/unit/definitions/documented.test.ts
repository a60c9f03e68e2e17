// What docs/definitions_reference.md shows is what the loader takes: the first block is a file, the others are attributes for it.
import { expect, it } from 'vitest';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { blocksOf, pageText } from '../../support/doc_pages.ts';
import { load } from './definitions_files.ts';

const PAGE = 'docs/definitions_reference.md';
const page = pageText(PAGE);
const [file, ...attributes] = blocksOf(PAGE, 'yaml').map(({ text }) => text);

it('the blocks of docs/definitions_reference.md together are good definitions', () => {
  expect(attributes).toHaveLength(3);
  const text = file! + attributes.map((block) => block.replaceAll(/^/gm, '  ').trimEnd()).join('\n');
  const { attributes: computed, expressions } = compilePlan(load(text));
  expect(computed).toHaveLength(17);
  expect(expressions).toHaveLength(6);
  const functions = new Set(computed.map((each) => each.function));
  for (const [, name] of page.matchAll(/^\| `(\w+)`(?= \| (?:none|number|as|text))/gm)) expect(functions, name).toContain(name);
  expect(functions.size).toBe(11);
});
