// Payloads against the JSON Schema of their dataset.
// PC1: never throws, never changes a payload, repeats nothing of it but names of keys. PC2: a function of schema and payload alone.
// PC3: most payloads are good: one pass says so without making anything; every violation is looked for only in the others.
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { DataValidateFunction } from 'ajv/dist/types/index.js';
import { errorText } from '../base/errors.ts';
import type { PayloadCheck } from '../message/admission.ts';
import type { Violation } from '../message/refusal.ts';
import { sameJson, type Json } from '../record/json.ts';
import { canonicalJson } from './definitions_document.ts';
import { linearPattern } from './linear_pattern.ts';
import { unevaluated, UNEVALUATED_ITEMS, UNEVALUATED_PROPERTIES, type Parts } from './unevaluated.ts';
import { PAYLOAD_FORMATS } from './payload_formats.ts';
import { CONST, demandsNothing, ENUM, payloadSchema, UNIQUE } from './payload_schema.ts';
import { looksAt } from './schema_cost.ts';
import { schemaMistakes } from './schema_rules.ts';
import type { JsonSchema } from './schema_keywords.ts';

/** A check, or why the schema gives none: one that an earlier release took unseen. */
export type CompiledSchema = { readonly check: PayloadCheck | null } | { readonly wrong: string };

const VIOLATIONS_MAX = 100;
/** Past so many looks only the first violation is looked for: each costs memory until all are found. */
const LOOKS_FOR_ALL_MAX = 200_000;
const NAME_MAX = 100;
/** Plans are compiled by worker, oracle and command line from the same few documents. Oldest out first. */
const KEPT_MAX = 200;
const kept = new Map<string, CompiledSchema>();

/** Cost: some ms for a schema that is new to the process; the check: below 1 µs for a small event, more with patterns.
 *  @throws never */
export function payloadCheck(schema: JsonSchema): CompiledSchema {
  const text = JSON.stringify(schema);
  const known = kept.get(text);
  if (known !== undefined) return known;
  const compiled = compile(schema);
  if (kept.size >= KEPT_MAX) kept.delete(kept.keys().next().value!);
  kept.set(text, compiled);
  return compiled;
}

function compile(schema: JsonSchema): CompiledSchema {
  const [mistake] = schemaMistakes(schema);
  if (mistake !== undefined) return { wrong: `/${mistake.path.join('/')}: ${mistake.message}` };
  if (demandsNothing(schema)) return { check: null };
  try {
    const ready = payloadSchema(schema);
    return { check: checkOf(ready, validator(ready, false), looksAt(schema).looks) };
  } catch (error) {
    return { wrong: errorText(error) };
  }
}

function checkOf(ready: JsonSchema, isGood: ValidateFunction, looks: number): PayloadCheck {
  let all: ValidateFunction | undefined;
  return (payload) => {
    try {
      if (isGood(payload)) return null;
      if (sizeOf(payload) * looks > LOOKS_FOR_ALL_MAX) return violationsOf(isGood);
      all ??= validator(ready, true);
      all(payload);
      return violationsOf(all);
    } catch {
      return [{ pointer: '', keyword: 'schema', message: 'the payload cannot be checked against its schema' }];
    }
  };
}

function validator(ready: JsonSchema, allErrors: boolean, parts: Parts = partsOf(ready)): ValidateFunction {
  const ajv = new Ajv2020({
    allErrors,
    // schema_rules.ts has looked at it, with places
    meta: false,
    validateSchema: false,
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    allowMatchingProperties: true,
    // keys such as `constructor` are found on every object, unless asked who owns them
    ownProperties: true,
    // 19.99 is a multiple of 0.01, though not among doubles
    multipleOfPrecision: 6,
    formats: PAYLOAD_FORMATS,
    code: { regExp: PATTERNS },
    logger: false,
  });
  // both are keywords of our own, and what is not tracked cannot be tracked wrongly (unevaluated.ts)
  ajv.opts.unevaluated = false;
  ajv.addKeyword({ keyword: UNIQUE, type: 'array', schemaType: 'boolean', errors: true, compile: uniqueItems });
  ajv.addKeyword({ keyword: ENUM, schemaType: 'array', errors: true, compile: (values: Json[]) => among(values, 'enum') });
  ajv.addKeyword({ keyword: CONST, errors: true, compile: (value: Json) => among([value], 'const') });
  for (const [keyword, kind, type] of [
    [UNEVALUATED_PROPERTIES, 'properties', 'object'],
    [UNEVALUATED_ITEMS, 'items', 'array'],
  ] as const) {
    const compile = (rest: unknown, parent: JsonSchema): DataValidateFunction => unevaluated(parts, kind, rest, parent);
    ajv.addKeyword({ keyword, type, schemaType: ['object', 'boolean'], errors: true, compile });
  }
  return ajv.compile(ready);
}

/** The validators of parts of a schema: each part once. */
function partsOf(ready: JsonSchema): Parts {
  const known = new Map<JsonSchema, ValidateFunction>();
  const { $defs } = ready;
  const parts: Parts = {
    whole: ready,
    compiled: (part) => {
      const before = known.get(part);
      if (before !== undefined) return before;
      const made = validator({ ...part, $defs }, false, parts);
      known.set(part, made);
      return made;
    },
  };
  return parts;
}

const PATTERNS = Object.assign(
  (text: string) => {
    const pattern = linearPattern(text);
    if ('wrong' in pattern) throw new Error(pattern.wrong);
    // the validator keeps patterns by their text
    return { test: (given: string) => pattern.test(given), toString: () => `/${text}/` };
  },
  { code: 'linearPattern' },
);

/** In time linear in the text of the items; the validator's own compares each with each. */
function uniqueItems(isOn: boolean): DataValidateFunction {
  const check: DataValidateFunction = (items: readonly Json[]) => {
    if (!isOn) return true;
    const seen = new Map<string, number>();
    for (let i = 0; i < items.length; i++) {
      const text = canonicalJson(items[i]);
      const first = seen.get(text);
      if (first !== undefined) {
        check.errors = [{ keyword: 'uniqueItems', message: `must not have the same item twice (${first} and ${i})`, params: {} }];
        return false;
      }
      seen.set(text, i);
    }
    return true;
  };
  return check;
}

/** The validator's own takes `valueOf` in a payload for a function. */
function among(values: readonly Json[], keyword: 'enum' | 'const'): DataValidateFunction {
  const message = keyword === 'enum' ? 'must be equal to one of the allowed values' : 'must be equal to constant';
  const check: DataValidateFunction = (value: Json) => {
    if (values.some((allowed) => sameJson(allowed, value))) return true;
    check.errors = [{ keyword, message, params: {} }];
    return false;
  };
  return check;
}

function violationsOf({ errors }: ValidateFunction): readonly Violation[] {
  return (errors ?? []).slice(0, VIOLATIONS_MAX).map((error) => ({
    pointer: shortPointer(error.instancePath),
    keyword: error.keyword,
    message: messageOf(error),
  }));
}

function messageOf({ keyword, params, message, propertyName }: ErrorObject): string {
  const named = params as Readonly<Record<string, unknown>>;
  const name = (key: string): string => `'${String(named[key]).slice(0, NAME_MAX)}'`;
  switch (keyword) {
    case 'required':
      return `must have the key ${name('missingProperty')}`;
    case 'additionalProperties':
      return `must not have the key ${name('additionalProperty')}`;
    case 'unevaluatedProperties':
      return `must not have the key ${name('unevaluatedProperty')}`;
    case 'propertyNames':
      return `must not have the key ${name('propertyName')}`;
    case 'enum':
      return `${message!}${Array.isArray(named['allowedValues']) ? `: ${JSON.stringify(named['allowedValues']).slice(0, 500)}` : ''}`;
    case 'false schema':
      return 'must not be there';
    default:
      return `${propertyName === undefined ? '' : `the key '${propertyName.slice(0, NAME_MAX)}' `}${message ?? 'breaks the schema'}`;
  }
}

/** Keys are the payload's: none may be as long as that. */
function shortPointer(pointer: string): string {
  if (pointer.length <= NAME_MAX) return pointer;
  return pointer
    .split('/')
    .map((step) => step.slice(0, NAME_MAX))
    .join('/');
}

/** How many values there are in it, itself included. */
function sizeOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  let size = 1;
  for (const inner of Object.values(value)) size += sizeOf(inner);
  return size;
}
