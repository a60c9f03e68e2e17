// What may stand in a definitions file in this release, entry by entry. Anything else is an unknown key or an unsupported value.
// Boundary: shapes only; names, references and expressions are checked in check_definitions.ts and check_attribute.ts.
import { z } from 'zod';
import type { AttributeFunction } from '../aggregate/plan.ts';

export const SECTIONS = ['namespaces', 'schemas', 'datasets', 'computedAttributes'] as const;
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
const revision = z.int().min(1).optional();

export const ENTRY_SHAPES = {
  namespaces: z.strictObject({
    type: z.enum(['person', 'device', 'cookie']),
    priority: z.int().min(1),
    unique: z.boolean().optional(),
  }),
  schemas: z.strictObject({
    class: z.enum(['individual']),
    behavior: z.enum(['event']),
    jsonSchema: z.record(z.string(), z.unknown()),
  }),
  datasets: z.strictObject({
    schema: z.string(),
    profile: z.boolean(),
    revision,
  }),
  computedAttributes: z.strictObject({
    class: z.enum(['individual']),
    description: z.string().optional(),
    eventTypes: z.array(z.string().min(1)).min(1).optional(),
    filter: z.string().min(1).optional(),
    value: z.string().min(1).optional(),
    function: z.enum(FUNCTIONS),
    // Its forms are told apart in window_definition.ts, for better words than a union of shapes has.
    window: z.unknown().optional(),
    limit: z.int().min(1).max(LIST_LIMIT_MAX).optional(),
    expression: z.string().min(1).optional(),
    audience: z.boolean().optional(),
    revision,
  }),
} as const;

export type FileNamespace = z.infer<(typeof ENTRY_SHAPES)['namespaces']>;
export type FileSchema = z.infer<(typeof ENTRY_SHAPES)['schemas']>;
export type FileDataset = z.infer<(typeof ENTRY_SHAPES)['datasets']>;
export type FileAttribute = z.infer<(typeof ENTRY_SHAPES)['computedAttributes']>;

/** Singular, for messages. */
export const ENTRY_NOUN: Readonly<Record<Section, string>> = {
  namespaces: 'namespace',
  schemas: 'schema',
  datasets: 'dataset',
  computedAttributes: 'computed attribute',
};

/** `datasets` become a subject token and must start in lower case; the others are read in expressions and paths. */
export const ENTRY_NAME: Readonly<Record<Section, { readonly pattern: RegExp; readonly text: string }>> = {
  namespaces: { pattern: /^[A-Za-z][A-Za-z0-9_-]{0,63}$/, text: '[A-Za-z][A-Za-z0-9_-]*, at most 64 characters' },
  schemas: { pattern: /^[A-Za-z][A-Za-z0-9_-]{0,63}$/, text: '[A-Za-z][A-Za-z0-9_-]*, at most 64 characters' },
  datasets: { pattern: /^[a-z][A-Za-z0-9_-]{0,63}$/, text: '[a-z][A-Za-z0-9_-]*, at most 64 characters' },
  computedAttributes: { pattern: /^[A-Za-z][A-Za-z0-9_]{0,63}$/, text: '[A-Za-z][A-Za-z0-9_]*, at most 64 characters' },
};
