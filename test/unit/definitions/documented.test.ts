// What docs/definitions_reference.md shows is what the loader takes: the first block is a file, the others are attributes for it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { load } from './definitions_files.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/definitions_reference.md'), 'utf8');
const [file, ...attributes] = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((match) => match[1]!);

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
