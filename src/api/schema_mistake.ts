// What a schema says of a request that does not fit, as an error for its caller: what, where, what to do.
// SM1: nothing of the request is in it, neither values nor names that it made up: both may name a person.
import { VisageError } from '../base/errors.ts';

/** The mistakes of a part of a request, as the validator lists them; the last is the one that decides. */
export type SchemaMistakes = readonly {
  readonly keyword: string;
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  /** There because the validator is told to be verbose. */
  readonly parentSchema?: { readonly description?: string; readonly properties?: Readonly<Record<string, unknown>> };
  readonly data?: unknown;
}[];
type Mistake = SchemaMistakes[number];

/** `part`: params, querystring, headers or body. */
export function schemaMistake(mistakes: SchemaMistakes, part: string): VisageError {
  const mistake = mistakes.at(-1)!;
  const name = mistake.instancePath.split('/')[1] ?? '';
  if (part === 'body') return usage('bad_body', bodyText(mistake));
  if (part === 'params' && ['namespace', 'id'].includes(name)) return usage('bad_identity', 'this names no identity');
  return usage(part === 'headers' ? 'bad_header' : 'bad_query', parameterText(mistake, name));
}

function parameterText(mistake: Mistake, name: string): string {
  const { keyword, data, message, parentSchema, params } = mistake;
  if (keyword === 'additionalProperties') return `unknown parameter; known: ${known(mistake)}`;
  if (keyword === 'required') return `the parameter ${String(params['missingProperty'])} is needed`;
  if (keyword === 'type' && Array.isArray(data)) return `${name} can be given once`;
  return `${name}: ${parentSchema?.description ?? message ?? 'not as the schema says'}`;
}

function bodyText(mistake: Mistake): string {
  const { keyword, instancePath, message, parentSchema, params } = mistake;
  const where = placeOf(mistake);
  if (keyword === 'additionalProperties') return `${where} has a field that is not known; known: ${known(mistake)}`;
  if (keyword === 'required') return `${where} lacks the field ${String(params['missingProperty'])}`;
  if (keyword === 'type' && instancePath === '') return `the body ${message ?? 'is of the wrong type'}`;
  return `${where} ${message ?? 'is not as the schema says'}${parentSchema?.description === undefined ? '' : `: ${parentSchema.description}`}`;
}

function known({ parentSchema }: Mistake): string {
  return Object.keys(parentSchema?.properties ?? {}).join(', ') || 'none';
}

/** `/identities/3/id`: positions, and the names that the schema itself has. */
function placeOf({ instancePath, schemaPath }: Mistake): string {
  const named = schemaPath.split('/');
  const shown = instancePath
    .split('/')
    .slice(1)
    .map((segment) => (/^\d+$/.test(segment) || named.includes(segment) ? segment : '*'));
  return shown.length === 0 ? 'the body' : `/${shown.join('/')} of the body`;
}

function usage(code: string, message: string): VisageError {
  return new VisageError(code, message, { kind: 'usage' });
}
