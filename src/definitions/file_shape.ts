// What may stand in a definitions file in this release, entry by entry. Anything else is an unknown key or an unsupported value.
// The texts are for editors: config/schemas/definitions.schema.json is made of them.
// Boundary: shapes only; names, references and expressions are checked in check_definitions.ts and check_attribute.ts.
import { z } from 'zod';
import type { AttributeFunction } from '../aggregate/plan.ts';

export const SECTIONS = ['namespaces', 'schemas', 'datasets', 'mergePolicies', 'computedAttributes'] as const;
export type Section = (typeof SECTIONS)[number];

export const FUNCTIONS = [
  'count',
  'sum',
  'min',
  'max',
  'average',
  'mostRecent',
  'earliest',
  'list',
  'countDistinct',
  'exists',
  'expression',
] as const satisfies readonly AttributeFunction[];
const LIST_LIMIT_MAX = 500;

/** Which definitions it came in with: `definitions apply` writes it. */
const revision = z.int().min(1).optional().describe('written by definitions apply; what a file says here is not read');
const class_ = z.enum(['individual']).describe('what it is about');

/** A key whose forms are told apart elsewhere, for better words than a union of shapes has. `editors`: its JSON schema. */
const formedElsewhere = (description: string, editors: Readonly<Record<string, unknown>>): z.ZodUnknown =>
  z.unknown().meta({ description, ...editors });
const DURATION = { type: 'string', pattern: '^\\d+(\\.\\d+)?(ms|s|m|h|d|w)$' };
/** window_definition.ts */
const WINDOW = {
  anyOf: [
    { const: 'lifetime' },
    { type: 'object', properties: { sliding: DURATION }, required: ['sliding'], additionalProperties: false },
    {
      type: 'object',
      properties: { calendar: { enum: ['day', 'week', 'month'] }, count: { type: 'integer', minimum: 1 } },
      required: ['calendar'],
      additionalProperties: false,
    },
  ],
};
/** check_policies.ts */
const MERGE = {
  anyOf: [
    { const: 'timestampOrdered' },
    {
      type: 'object',
      properties: { dataSetPrecedence: { type: 'array', items: { type: 'string' }, minItems: 1, uniqueItems: true } },
      required: ['dataSetPrecedence'],
      additionalProperties: false,
    },
  ],
};

export const ENTRY_SHAPES = {
  namespaces: z.strictObject({
    type: z.enum(['person', 'device', 'cookie']).describe('what an id of it stands for'),
    priority: z
      .int()
      .min(1)
      .describe('1 is the highest: of the identities in a message the one with the smallest number owns it'),
    unique: z.boolean().optional().describe('at most one id of it for a person'),
  }),
  schemas: z.strictObject({
    class: class_,
    behavior: z.enum(['event', 'record']).describe('event: an immutable fact; record: a row that is written again and again'),
    jsonSchema: z.record(z.string(), z.unknown()).describe('JSON Schema, draft 2020-12, of the payloads'),
    identities: z
      .array(
        z.strictObject({
          path: z.string().describe('JSON pointer to a string in the payload: /personalEmail/address'),
          namespace: z.string().describe('of the id that stands there'),
        }),
      )
      .min(1)
      .optional()
      .describe('where payloads hold ids, beside identityMap and the subject'),
  }),
  datasets: z.strictObject({
    schema: z.string().describe('name of the schema of its payloads'),
    profile: z.boolean().describe('false: payloads are checked, but touch no profile'),
    timeToLive: formedElsewhere('of events only: look-ups do not show older ones, e.g. 400d', DURATION).optional(),
    revision,
  }),
  mergePolicies: z.strictObject({
    class: class_,
    attributes: formedElsewhere('which dataset wins where records disagree; left out: timestampOrdered', MERGE).optional(),
    stitching: z.enum(['none', 'graph']).optional().describe('graph: follow the identity graph (not in this release)'),
    default: z.boolean().optional().describe('true for exactly one policy of a class: change events and expressions go by it'),
  }),
  computedAttributes: z.strictObject({
    class: class_,
    description: z.string().optional().describe('for people'),
    eventTypes: z.array(z.string().min(1)).min(1).optional().describe('which events are looked at; left out: all'),
    filter: z.string().min(1).optional().describe('CEL over event, true or false; left out: every event'),
    value: z.string().min(1).optional().describe('CEL over event; a plain path is the fast case'),
    function: z.enum(FUNCTIONS).describe('what becomes of the values in the window'),
    window: formedElsewhere(
      'which of the events count now: lifetime, { sliding: 30d }, { calendar: month, count: 1 }',
      WINDOW,
    ).optional(),
    limit: z.int().min(1).max(LIST_LIMIT_MAX).optional().describe('of list only: how many values, default 50'),
    expression: z
      .string()
      .min(1)
      .optional()
      .describe('of function: expression only: CEL over other attributes and profile.<field>'),
    audience: z.boolean().optional().describe('true: profiles enter and leave it'),
    revision,
  }),
} as const;

export type FileNamespace = z.infer<(typeof ENTRY_SHAPES)['namespaces']>;
export type FileSchema = z.infer<(typeof ENTRY_SHAPES)['schemas']>;
export type FileDataset = z.infer<(typeof ENTRY_SHAPES)['datasets']>;
export type FilePolicy = z.infer<(typeof ENTRY_SHAPES)['mergePolicies']>;
export type FileAttribute = z.infer<(typeof ENTRY_SHAPES)['computedAttributes']>;

/** For editors. */
export const SECTION_TEXTS: Readonly<Record<Section, string>> = {
  namespaces: 'kinds of ids',
  schemas: 'JSON Schemas of the payloads',
  datasets: 'named feeds, each with a schema',
  mergePolicies: 'which dataset wins where records disagree; none: one named default, timestampOrdered',
  computedAttributes: 'values kept up to date for every profile',
};

/** Singular, for messages. */
export const ENTRY_NOUN: Readonly<Record<Section, string>> = {
  namespaces: 'namespace',
  schemas: 'schema',
  datasets: 'dataset',
  mergePolicies: 'merge policy',
  computedAttributes: 'computed attribute',
};

/** `datasets` become a subject token and must start in lower case; the others are read in expressions and paths. */
export const ENTRY_NAME: Readonly<Record<Section, { readonly pattern: RegExp; readonly text: string }>> = {
  namespaces: { pattern: /^[A-Za-z][A-Za-z0-9_-]{0,63}$/, text: '[A-Za-z][A-Za-z0-9_-]*, at most 64 characters' },
  schemas: { pattern: /^[A-Za-z][A-Za-z0-9_-]{0,63}$/, text: '[A-Za-z][A-Za-z0-9_-]*, at most 64 characters' },
  datasets: { pattern: /^[a-z][A-Za-z0-9_-]{0,63}$/, text: '[a-z][A-Za-z0-9_-]*, at most 64 characters' },
  mergePolicies: { pattern: /^[A-Za-z][A-Za-z0-9_-]{0,63}$/, text: '[A-Za-z][A-Za-z0-9_-]*, at most 64 characters' },
  computedAttributes: { pattern: /^[A-Za-z][A-Za-z0-9_]{0,63}$/, text: '[A-Za-z][A-Za-z0-9_]*, at most 64 characters' },
};
