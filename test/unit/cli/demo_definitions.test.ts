// The demo's two definitions files belong together: the second is the first and one attribute more.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { documentOf } from '../../../src/definitions/definitions_document.ts';
import { extendDefinitions } from '../../../src/definitions/extend_definitions.ts';
import { loadDefinitionsFile } from '../../../src/definitions/load_definitions.ts';

const CONFIG = join(import.meta.dirname, '../../../config');
const demo = loadDefinitionsFile(join(CONFIG, 'demo.definitions.yaml'));
const thirteenth = loadDefinitionsFile(join(CONFIG, 'demo.thirteenth.yaml'));

test('the demo has twelve attributes: every function, and an audience', () => {
  const attributes = [...demo.data.computedAttributes.values()];
  expect(attributes).toHaveLength(12);
  const functions = 'count sum min max average mostRecent earliest list countDistinct exists expression'.split(' ');
  expect(new Set(attributes.map((attribute) => attribute.function))).toEqual(new Set(functions));
  expect(attributes.filter(({ audience }) => audience)).toHaveLength(1);
});

test('the second file adds one attribute to the first and leaves everything else as it is, to the letter', () => {
  expect(extendDefinitions(demo, thirteenth)).toMatchObject({ kind: 'extended', added: ['computed attribute appSpend'] });
  const { computedAttributes } = thirteenth.data;
  const without = new Map([...computedAttributes].filter(([name]) => name !== 'appSpend'));
  expect(documentOf({ ...thirteenth.data, computedAttributes: without }).canonical).toBe(demo.canonical);
});
