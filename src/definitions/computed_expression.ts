// One expression over computed attributes: checked against their types, then compiled.
// CE1: a value is a function of the attributes that it names, of the profile's identity and its merged record. CE2: what compiles never throws.
//     A fast form answers exactly as the interpreter does.
// CE3: CEL sees integers where the attribute is one (count, countDistinct, size()); outside they are numbers, as in JSON.
import type { Expression, ExpressionInputs } from '../aggregate/plan.ts';
import { asMaps, celSchema, mixesNumbers, undeclaredHas, undeclaredText } from './cel_environment.ts';
import { refusedUse, type Limits } from './cel_limits.ts';
import { memberPath, type CelNode, type ExpressionMistake } from './cel_node.ts';
import { celLanguage, FAILED, type CelFailure, type CelProgram, type CelType } from './cel_program.ts';
import { isPlainType, typeName } from './compile_expression.ts';
import type { EventShape } from './event_shape.ts';
import { fastExpression, type FastInput } from './fast_expression.ts';
import { isWord, namesRead, PROFILE_FIELDS, type NamesRead } from './expression_names.ts';

export type ParsedExpression = NamesRead & { readonly root: CelNode; readonly text: string; readonly record: EventShape };

/** What an attribute is to an expression: CEL's name of its type. `isTime`: a text that is certainly a time in RFC 3339. */
export type InputType = { readonly type: string; readonly isTime: boolean };

export type CompiledExpression = Expression & {
  /** CEL's name of its result's type. */
  readonly type: string;
  /** Without the interpreter. */
  readonly isFast: boolean;
};

export const UNKNOWN_TYPE: InputType = { type: 'dyn', isTime: false };
const NO_RECORD: EventShape = { kind: 'object', fields: new Map() };

/** Expressions over expressions could double a text or a list a hundred times. */
const TEXT_MAX = 10_000;
const ITEMS_MAX = 1_000;

const BARE = celLanguage(new Map());
const RESULTS = ['bool', 'int', 'double', 'string', 'dyn'];

/** Syntax, names and limits; types are for `compileExpression`.
 *  @param attributes every name that may be read, with its type as far as it is known now
 *  @param record what records say of a profile */
export function parseExpression(
  text: string,
  attributes: ReadonlyMap<string, InputType>,
  allKnown: boolean,
  record: EventShape = NO_RECORD,
): ParsedExpression | { readonly mistakes: readonly ExpressionMistake[] } {
  const program = BARE.parse(text);
  if ('failure' in program) {
    const { summary, offset } = program.failure;
    const reserved = /^Reserved identifier: (\w+)/.exec(summary)?.[1];
    const hint = reserved !== undefined && attributes.has(reserved) ? `; the attribute is computed.${reserved}` : '';
    return { mistakes: [{ offset, message: summary + hint }] };
  }
  const names = namesRead(program.root, new Set(attributes.keys()), allKnown, record);
  const refused =
    refusedUse(program.root, limitsOver(attributes)) ??
    (names.mistakes.length > 0 ? undefined : undeclaredHas(program.root, profileShape(record), 'profile'));
  return {
    ...names,
    root: program.root,
    text,
    record,
    mistakes: refused === undefined ? names.mistakes : [...names.mistakes, refused],
  };
}

/** @param types of every attribute that it names   @param indexes how the fold calls them
 *  @param quick false takes the interpreter even where a fast form exists; tests compare the two */
export function compileExpression(
  parsed: ParsedExpression,
  types: ReadonlyMap<string, InputType>,
  indexes: ReadonlyMap<string, number>,
  quick = true,
): CompiledExpression | ExpressionMistake {
  const bare = new Set(parsed.attributes.filter((use) => use.bare).map(({ name }) => name));
  const members = new Set(parsed.attributes.filter((use) => !use.bare).map(({ name }) => name));
  const typeOf = (name: string): string => (types.get(name) ?? UNKNOWN_TYPE).type;
  const variables = new Map<string, CelType>();
  for (const name of bare) variables.set(name, typeOf(name));
  if (members.size > 0) variables.set('computed', schemaOf([...members].map((name) => [name, typeOf(name)])));
  if (parsed.profile.length > 0) variables.set('profile', profileType(parsed));
  const program = celLanguage(variables).parse(parsed.text);
  if ('failure' in program) return { offset: program.failure.offset, message: program.failure.summary };
  const result = program.check();
  if ('failure' in result) {
    const { summary, offset } = result.failure;
    const undeclared = undeclaredMember(result.failure, parsed);
    if (undeclared !== undefined) return undeclared;
    const hint = mixesNumbers(summary) ? '; counts are whole numbers (int), other numbers double: convert with double(…)' : '';
    return {
      offset,
      message: summary.replaceAll(/\$profile(\.\w+)+/g, 'object').replaceAll(/\$(computed|profile)\b/g, '$1') + hint,
    };
  }
  const { type } = result;
  const { text } = parsed;
  if (!RESULTS.includes(type) && !(type.startsWith('list') && isPlainType(type)))
    return {
      offset: 0,
      message: `an expression gives true or false, a number, a text or a list of them; this one is ${typeName(type)}`,
    };
  const names = [...new Set(parsed.attributes.map(({ name }) => name))];
  const inputs = names.map((name) => indexes.get(name) ?? -1).sort((a, b) => a - b);
  const find = (name: string): FastInput | undefined =>
    indexes.has(name) ? { index: indexes.get(name)!, type: typeOf(name) } : undefined;
  const read = quick ? fastExpression(program.root, find) : null;
  const readsRecord = parsed.profile.some((field) => !PROFILE_FIELDS.includes(field));
  if (read !== null) return { type, text, inputs, isFast: true, readsRecord, evaluate: (given) => presentable(read(given)) };
  const readings = names.map((name): Reading => ({
    name,
    index: indexes.get(name) ?? -1,
    isBare: bare.has(name),
    isMember: members.has(name),
    convert: conversionOf(typeOf(name)),
  }));
  return { type, text, inputs, isFast: false, readsRecord, evaluate: evaluator(program, readings, parsed.profile) };
}

/** Only of what it reads: declaring a field has its cost. */
function profileType({ profile, record }: ParsedExpression): CelType {
  const { fields } = profileShape(record);
  if (record.kind === 'dyn') return 'dyn';
  return celSchema(new Map(profile.map((field) => [field, fields.get(field)!])));
}

type ObjectShape = Extract<EventShape, { readonly kind: 'object' }>;

function profileShape(record: EventShape): ObjectShape | { readonly kind: 'dyn'; readonly fields: ObjectShape['fields'] } {
  const identity = PROFILE_FIELDS.map((field): [string, EventShape] => [field, { kind: 'string' }]);
  if (record.kind !== 'object') return { kind: 'dyn', fields: new Map(identity) };
  return { kind: 'object', fields: new Map([...record.fields, ...identity]) };
}

function undeclaredMember({ code, node, offset }: CelFailure, { record }: ParsedExpression): ExpressionMistake | undefined {
  if (code !== 'no_such_key' || node === undefined) return undefined;
  const path = memberPath(node, 'profile');
  return path === undefined ? undefined : { offset, message: undeclaredText(path, profileShape(record), 'profile') };
}

type Reading = {
  readonly name: string;
  readonly index: number;
  readonly isBare: boolean;
  readonly isMember: boolean;
  readonly convert: (value: unknown) => unknown;
};

/** Maps, because names may be `constructor` (cel_environment.ts). An absent value is a missing key. */
function evaluator(program: CelProgram, readings: readonly Reading[], fields: readonly string[]): Expression['evaluate'] {
  const readsMembers = readings.some(({ isMember }) => isMember);
  const ofRecord = fields.filter((field) => !PROFILE_FIELDS.includes(field));
  return ({ valueOf, identity, record }: ExpressionInputs) => {
    const variables = new Map<string, unknown>();
    const computed = new Map<string, unknown>();
    for (const { name, index, isBare, isMember, convert } of readings) {
      const value = valueOf(index);
      if (value === undefined) continue;
      const converted = convert(value);
      if (isBare) variables.set(name, converted);
      if (isMember) computed.set(name, converted);
    }
    if (readsMembers) variables.set('computed', computed);
    if (fields.length > 0) {
      const { namespace, id } = identity();
      const profile = new Map<string, unknown>(Object.entries({ namespace, id }));
      const said = ofRecord.length === 0 ? {} : record();
      for (const field of ofRecord) if (Object.hasOwn(said, field)) profile.set(field, asMaps(said[field]));
      variables.set('profile', profile);
    }
    const value = program.run(variables);
    return value === FAILED ? undefined : presentable(value);
  };
}

function conversionOf(type: string): (value: unknown) => unknown {
  return /\bint\b/.test(type) ? toIntegers : (value) => value;
}

function toIntegers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toIntegers);
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
}

/** What can be an attribute's value: finite, no null, not too long; −0 is 0, as in JSON. */
function presentable(value: unknown): unknown {
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? (value === 0 ? 0 : value) : undefined;
    case 'string':
      return value.length <= TEXT_MAX ? value : undefined;
    default: {
      if (!Array.isArray(value) || value.length > ITEMS_MAX) return undefined;
      const items = value.map((item) => (Array.isArray(item) ? undefined : presentable(item)));
      return items.includes(undefined) ? undefined : items;
    }
  }
}

function schemaOf(fields: readonly (readonly [string, string])[]): CelType {
  const schema = Object.create(null) as Record<string, string>;
  for (const [name, type] of fields) schema[name] = type;
  return schema;
}

function limitsOver(attributes: ReadonlyMap<string, InputType>): Limits {
  return {
    subject: 'the values',
    times: 'a min or max of timestamps',
    isTime: (node) => attributes.get(attributeName(node) ?? '')?.isTime === true,
    taken: (name) => (attributes.has(name) ? ': an attribute is' : isWord(name) ? '' : undefined),
  };
}

function attributeName(node: CelNode): string | undefined {
  if (node.op === 'id') return node.args;
  return node.op === '.' && node.args[0].op === 'id' && node.args[0].args === 'computed' ? node.args[1] : undefined;
}
