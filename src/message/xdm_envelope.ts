// The envelope in which the reference product's streaming inlet takes messages: what is sent to it goes in here as it stands.
// `{ "header": { "operations": { "data": … }, … }, "body": { "xdmMeta": …, "xdmEntity": { the payload } } }`
// XE1: known by its shape, and by nothing less: `header` and `body` alone, `xdmEntity` in it an object. Anything else is a payload.
// XE2: the payload is cut out of the text: its numbers keep their digits.
// Source: the reference product's streaming inlet and upserts
import type { RecordOperation } from './decode.ts';
import { membersOf } from './json_members.ts';

type Fields = Readonly<Record<string, unknown>>;

/** `operation` is null when the envelope does not say. `text` is that of the payload. */
export type Unwrapped = { readonly text: string; readonly payload: Fields; readonly operation: RecordOperation | null };

/** An envelope that asks for what is not there, and why. */
export type BadEnvelope = { readonly wrong: string };

/** @param text valid JSON   @param object what it parses to
 *  @returns undefined when it is no envelope; datasetId and schemaRef are not looked at: who ingests says which dataset it is */
export function unwrap(text: string, object: Fields): Unwrapped | BadEnvelope | undefined {
  const { header, body } = object;
  if (!hasOnly(object, ['header', 'body']) || !isObject(header) || !isObject(body)) return undefined;
  const payload = body['xdmEntity'];
  if (!hasOnly(body, ['xdmMeta', 'xdmEntity']) || !isObject(payload)) return undefined;
  const operations = header['operations'] ?? {};
  if (!isObject(operations)) return { wrong: 'header.operations is not an object' };
  const identity = operations['identity'] ?? 'create';
  if (identity !== 'create') return { wrong: 'header.operations.identity is not supported, but for create' };
  const operation = operations['data'] ?? null;
  if (operation !== null && operation !== 'create' && operation !== 'merge' && operation !== 'delete')
    return { wrong: 'header.operations.data is not create, merge or delete' };
  const { start, end } = membersOf(text, membersOf(text).get('body')!.start).get('xdmEntity')!;
  return { text: text.slice(start, end), payload, operation };
}

function hasOnly(object: Fields, names: readonly string[]): boolean {
  return Object.keys(object).every((name) => names.includes(name));
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
