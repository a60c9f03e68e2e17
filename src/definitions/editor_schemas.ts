// JSON Schemas of the files that people write, for editors: completion, descriptions, wrong keys underlined while typing.
// Boundary: an editor's help. What a file must be is decided by check_definitions.ts and load_settings.ts, which know more.
// ES1: a function of the shapes and tables that the loaders go by; config/schemas has them as this release makes them.
import { z } from 'zod';
import { ENTRY_NAME, ENTRY_SHAPES, SECTION_TEXTS, SECTIONS } from './file_shape.ts';
import { SETTING_KEYS, type Kind } from './setting_keys.ts';

type Json = Record<string, unknown>;

const DRAFT = 'https://json-schema.org/draft/2020-12/schema';
const ZERO = { enum: [0, '0'] };
const DURATION = { type: 'string', pattern: '^\\d+(\\.\\d+)?(ms|s|m|h|d|w)$' };
const SIZE = { type: 'string', pattern: '^\\d+(\\.\\d+)?(B|KB|MB|GB|TB)$' };

/** Of one file: the others of a folder may have the sections that it lacks. */
export function definitionsFileSchema(): Json {
  const sections = SECTIONS.map((section) => {
    const { $schema: _, ...entry } = z.toJSONSchema(ENTRY_SHAPES[section], { io: 'input' }) as Json;
    const propertyNames = { pattern: ENTRY_NAME[section].pattern.source };
    return [section, { description: SECTION_TEXTS[section], type: 'object', propertyNames, additionalProperties: entry }];
  });
  return {
    $schema: DRAFT,
    title: 'Visage definitions',
    type: 'object',
    properties: { version: { const: 1 }, ...(Object.fromEntries(sections) as Json) },
    required: ['version'],
    additionalProperties: false,
  };
}

export function settingsFileSchema(): Json {
  const root = level();
  for (const { key, text, type, standard } of SETTING_KEYS) {
    const path = key.split('.');
    let at = root;
    for (const step of path.slice(0, -1)) at = (at.properties[step] ??= level()) as Level;
    const standardText = standard === undefined ? {} : { default: standard };
    at.properties[path.at(-1)!] = { description: text, ...valueSchema(type), ...standardText };
  }
  return { $schema: DRAFT, title: 'Visage worker settings', ...root };
}

type Level = { readonly type: 'object'; readonly properties: Json; readonly additionalProperties: false };

function level(): Level {
  return { type: 'object', properties: {}, additionalProperties: false };
}

function textSchema(pattern?: RegExp): Json {
  return { type: 'string', minLength: 1, ...(pattern === undefined ? {} : { pattern: pattern.source }) };
}

function valueSchema(type: Kind): Json {
  switch (type.kind) {
    case 'duration':
      return type.zero === true ? { anyOf: [DURATION, ZERO] } : DURATION;
    case 'size':
      return SIZE;
    case 'whole':
      return { type: 'integer', minimum: type.min, maximum: type.max };
    case 'text':
      return textSchema(type.pattern);
    case 'list': // as one text, several go with commas
      return { anyOf: [textSchema(), { type: 'array', items: textSchema(type.pattern), minItems: 1 }] };
    case 'choice':
      return { enum: type.values };
  }
}
