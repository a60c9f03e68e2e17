// Requests that nobody should send, for any page of an OpenAPI document: wrong types, missing, unknown, repeated, too long, nested, badly
// encoded, of another content type, under another method. Some are good: a page must not only refuse.
// OR1: whatever is made up has `SECRET` in it, most of the time: no error may show it.
// OR2: the only real identities named to a page that writes are `fuzz-…`; no real dataset is named to one that deletes.
// OR3: nothing here asks a page to wait: what may take long has a short `timeout`.
import fc from 'fast-check';
import { SECRET } from './hostile_text.ts';
import type { ApiDocument, JsonSchema, Parameter, Route } from './openapi.ts';

export type OddRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
};

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'];
const BODYLESS = ['GET', 'HEAD', 'TRACE'];
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  namespace: ['customerId', 'email'],
  field: ['spend30d', 'computed.orders30d', 'person.name'],
  class: ['individual'],
  dataset: ['orders'],
  policy: ['default'],
  fields: ['spend30d,person.name', 'computed'],
  after: ['0', '1'],
  timeout: ['50ms', '100ms'],
  limit: ['1', '10'],
  start: ['2026-01-01T00:00:00Z'],
  end: ['2026-12-01T00:00:00Z'],
  type: ['commerce.purchases'],
  property: ['commerce.order.priceTotal >= 100'],
  order: ['asc', 'desc'],
};
const TEXTS = ['', ' ', '..', '../../etc/passwd', '*', '>', '%', '%00', '\u0000', '\u202e', '__proto__', 'constructor', 'null'];
const NUMBERS = ['-1', '1e99', '0x10', '1.5', '9007199254740993', '99999999999999999999', 'NaN', ' 1'];
/** As they are: what no encoder writes. */
const ENCODINGS = ['%zz', '%', '%FF', '%ED%A0%80', '%C3', '%252F', '+', ';', '\u00e9', '%E0%80%AF'];
const TYPES = ['application/json', 'text/plain', 'application/x-ndjson', 'application/msgpack', 'application/xml', 'json', ''];

const text: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...TEXTS, ...NUMBERS),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.string({ unit: 'binary', maxLength: 30 }).filter((value) => value.isWellFormed()),
  fc.integer({ min: 1, max: 700 }).map((length) => 'x'.repeat(length)),
);
const secretText = fc.tuple(text, fc.boolean()).map(([value, bare]) => (bare ? value : SECRET + value));
const encoded = fc.oneof(
  { weight: 4, arbitrary: secretText.map(encodeURIComponent) },
  { weight: 1, arbitrary: fc.constantFrom(...ENCODINGS).map((value) => SECRET + value) },
);
const json: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  secretText,
  fc.constantFrom<unknown>(null, true, 0, -1, 1e308, [], {}, [[]], { [SECRET]: SECRET }),
);

/** A request to the page's path. @param writesTo the id that it may write to */
export function oddRequest(route: Route, document: ApiDocument, writesTo: string): fc.Arbitrary<OddRequest> {
  const { method, path, operation } = route;
  const { parameters = [], requestBody } = operation;
  const query = parameters.filter((parameter) => parameter.in === 'query');
  const contents = Object.entries(requestBody?.content ?? {});
  const samples = contents.map(([type, { schema, example }]) => ({ type, value: example ?? sampleOf(schema, document) }));
  return fc
    .oneof({ weight: 9, arbitrary: fc.constant(method) }, { weight: 1, arbitrary: fc.constantFrom(...METHODS) })
    .chain((chosen) =>
      fc
        .record({
          path: pathOf(path, chosen === method ? method : 'another', writesTo),
          query: fc.array(oneParameter(query), { maxLength: 4 }),
          headers: headersOf(parameters),
          type: fc.oneof(
            { weight: 4, arbitrary: fc.constantFrom(...(samples.length === 0 ? TYPES : samples.map((sample) => sample.type))) },
            { weight: 1, arbitrary: fc.constantFrom(...TYPES) },
          ),
          body: bodyOf(samples.map(({ value }) => value)),
        })
        .map((made) => ({
          method: chosen,
          path: made.path + queryOf(made.query),
          // a body goes with its type; without one there is none
          headers: { ...made.headers, ...(made.body === undefined || made.type === '' ? {} : { 'content-type': made.type }) },
          body: BODYLESS.includes(chosen) ? undefined : made.body,
        })),
    );
}

function queryOf(pairs: readonly string[]): string {
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** @param method `another`: one that the page does not have; another page may have it */
function pathOf(path: string, method: string, writesTo: string): fc.Arbitrary<string> {
  const reads = method === 'GET' || method === 'HEAD';
  const parts = path.split(/(\{\w+\})/).map((part): fc.Arbitrary<string> => {
    if (!part.startsWith('{')) return fc.constant(part);
    const name = part.slice(1, -1);
    if (name === 'id') return fc.oneof(fc.constantFrom(...(reads ? ['by-0', 'by-1', writesTo] : [writesTo])), encoded);
    const known = name === 'dataset' && method !== 'POST' ? undefined : KNOWN[name];
    if (known === undefined) return encoded;
    return fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: encoded });
  });
  return fc.tuple(...parts).map((all) => all.join(''));
}

function oneParameter(known: readonly Parameter[]): fc.Arbitrary<string> {
  const odd = fc.tuple(secretText.map(encodeURIComponent), encoded).map(([name, value]) => `${name}=${value}`);
  if (known.length === 0) return odd;
  const good = fc
    .constantFrom(...known)
    .chain(({ name }) => fc.constantFrom(...(KNOWN[name] ?? [SECRET])).map((value) => `${name}=${encodeURIComponent(value)}`));
  const wrong = fc
    .constantFrom(...known)
    .chain(({ name }) => encoded.map((value) => `${name}=${['after', 'timeout'].includes(name) ? `${SECRET}${value}` : value}`));
  return fc.oneof({ weight: 3, arbitrary: good }, { weight: 3, arbitrary: wrong }, { weight: 1, arbitrary: odd });
}

function headersOf(parameters: readonly Parameter[]): fc.Arbitrary<Record<string, string>> {
  const declared = parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name.toLowerCase());
  const names = [
    ...declared,
    'last-event-id',
    'visage-operation',
    'visage-last-updated',
    'authorization',
    'accept',
    'x-request-id',
    'traceparent',
  ];
  const value = secretText.map((given) => encodeURIComponent(given).slice(0, 200));
  return fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 2 });
}

function bodyOf(samples: readonly unknown[]): fc.Arbitrary<string | Uint8Array | undefined> {
  const odd = fc.oneof(
    json.map((value) => JSON.stringify(value)),
    fc.constantFrom('', '{', `{"${SECRET}":`, '{"a":1,}', 'NaN', '\ufeff{}', `{"__proto__":{"${SECRET}":1}}`, '"\\ud800"'),
    fc.constantFrom(1_000, 30_000).map((depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`),
    fc.uint8Array({ minLength: 1, maxLength: 50 }),
    fc.constantFrom(70_000, 1_200_000).map((length) => JSON.stringify(SECRET.repeat(length / SECRET.length))),
  );
  if (samples.length === 0) return fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: odd });
  const good = fc.constantFrom(...samples).map(asText);
  const changed = fc
    .tuple(fc.constantFrom(...samples), fc.nat(), json, fc.constantFrom('put', 'drop', 'add'))
    .map(([sample, place, value, how]) => asText(changedAt(sample, place, value, how)));
  return fc.oneof(
    { weight: 2, arbitrary: good },
    { weight: 5, arbitrary: changed },
    { weight: 3, arbitrary: odd },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
}

/** A text is what a page takes that does not take JSON. */
function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The sample with one of its places put to another value, dropped, or with a key beside it. */
function changedAt(sample: unknown, place: number, value: unknown, how: string): unknown {
  const copy: unknown = structuredClone(sample);
  const places: (readonly [Record<string, unknown>, string])[] = [];
  const walk = (at: unknown): void => {
    if (typeof at !== 'object' || at === null) return;
    for (const key of Object.keys(at)) {
      places.push([at as Record<string, unknown>, key]);
      walk((at as Record<string, unknown>)[key]);
    }
  };
  walk(copy);
  const chosen = places[place % Math.max(1, places.length)];
  if (chosen === undefined) return value;
  const [object, key] = chosen;
  if (how === 'put') object[key] = value;
  else if (how === 'drop') delete object[key];
  else object[`${SECRET}${place % 7}`] = value;
  return copy;
}

/** Something that the schema takes; simple ones only. */
export function sampleOf(schema: JsonSchema, document: ApiDocument, depth = 0): unknown {
  const given = schema['$ref'] as string | undefined;
  if (given !== undefined) return sampleOf(document.components.schemas[given.split('/').at(-1)!]!, document, depth);
  if ('const' in schema) return schema['const'];
  if (schema['examples'] !== undefined) return (schema['examples'] as unknown[])[0];
  if (schema['enum'] !== undefined) return (schema['enum'] as unknown[])[0];
  const either = (schema['oneOf'] ?? schema['anyOf']) as readonly JsonSchema[] | undefined;
  if (either !== undefined) return sampleOf(either[0]!, document, depth);
  switch ([schema['type']].flat()[0]) {
    case 'object': {
      const properties = (schema['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
      return Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [name, sampleOf(property, document, depth + 1)]),
      );
    }
    case 'array':
      return depth > 8 ? [] : [sampleOf((schema['items'] ?? {}) as JsonSchema, document, depth + 1)];
    case 'integer':
    case 'number':
      return schema['minimum'] ?? 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return 'x';
  }
}
