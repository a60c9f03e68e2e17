// config/schemas is what the loaders' own shapes give, and it takes what we ship. UPDATE_DOCS=1 writes it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { definitionsFileSchema, settingsFileSchema } from '../../../src/definitions/editor_schemas.ts';
import { SECTIONS } from '../../../src/definitions/file_shape.ts';
import { SETTING_KEYS } from '../../../src/definitions/setting_keys.ts';

const CONFIG = join(import.meta.dirname, '../../../config');
const FOLDER = join(CONFIG, 'schemas');

describe.each([
  ['definitions', definitionsFileSchema],
  ['settings', settingsFileSchema],
])('%s.schema.json', (name, make) => {
  it('is as this release makes it', () => {
    const file = join(FOLDER, `${name}.schema.json`);
    const expected = `${JSON.stringify(make(), null, 2)}\n`;
    if (process.env['UPDATE_DOCS'] === '1') {
      mkdirSync(FOLDER, { recursive: true });
      writeFileSync(file, expected);
    } else expect(readFileSync(file, 'utf8')).toBe(expected);
  });
});

const read = (file: string): string => readFileSync(join(CONFIG, file), 'utf8');

/** The keyword and place of every violation, as an editor would underline it. */
function violations(schema: object, text: string): string[] {
  const validate = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true }).compile(schema);
  validate(parse(text));
  return (validate.errors ?? []).map(({ keyword, instancePath }) => `${instancePath} ${keyword}`);
}

const DEFINITIONS = ['definitions.example', 'definitions.records', 'demo.definitions', 'demo.thirteenth', 'simulate.definitions'];

describe('the schema of definitions', () => {
  const schema = definitionsFileSchema();
  it.each(DEFINITIONS)('takes config/%s.yaml', (file) => expect(violations(schema, read(`${file}.yaml`))).toEqual([]));

  const example = read('definitions.records.yaml');
  it.each<[string, string, string, string]>([
    ['a section', 'datasets:', 'datsets:', ' additionalProperties'],
    ['a key of a dataset', 'profile: true', 'profil: true', '/datasets/orders required'],
    ['a behaviour', 'behavior: record', 'behavior: row', '/schemas/customer/behavior enum'],
    ['a merge policy', 'attributes: timestampOrdered', 'attributes: newest', '/mergePolicies/newest/attributes const'],
    ['a window', 'sliding: 30d', 'sliding: 30', '/computedAttributes/spend30d/window/sliding type'],
    ['a time-to-live', 'timeToLive: 400d', 'timeToLive: 400', '/datasets/orders/timeToLive type'],
    ['a name', '  orders:', '  Orders:', '/datasets propertyNames'],
  ])('underlines %s that is wrong', (_name, good, wrong, expected) => {
    expect(example).toContain(good);
    expect(violations(schema, example.replace(good, wrong))).toContain(expected);
  });

  it('describes every key', () => {
    const sections = schema['properties'] as Record<
      string,
      { description: string; additionalProperties: { properties: object } }
    >;
    for (const section of SECTIONS) {
      expect(sections[section]!.description).toMatch(/./);
      for (const [key, value] of Object.entries(sections[section]!.additionalProperties.properties))
        expect((value as { description?: string }).description, `${section}.${key}`).toMatch(/./);
    }
  });
});

describe('the schema of settings', () => {
  const schema = settingsFileSchema();
  it('takes config/worker.example.yaml', () => expect(violations(schema, read('worker.example.yaml'))).toEqual([]));

  it.each([
    ['tick: 100', '/tick type'],
    ['tickk: 100ms', ' additionalProperties'],
    ['log: { maxage: 3d }', '/log additionalProperties'],
    ['log: { maxAge: 3d, maxBytes: 3 }', '/log/maxBytes type'],
    ['partitions: 0', '/partitions minimum'],
    ['clock: wall', '/clock enum'],
  ])('underlines %s', (text, expected) => expect(violations(schema, text)).toContain(expected));

  it('has every setting, with what it is for', () => {
    for (const { key } of SETTING_KEYS) {
      const at = key
        .split('.')
        .reduce<unknown>((level, step) => (level as { properties: Record<string, unknown> }).properties[step], schema);
      expect((at as { description?: string } | undefined)?.description, key).toMatch(/./);
    }
  });
});
