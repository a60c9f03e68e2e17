// A worker's OpenAPI document from a test's side: its operations, and whether an answer is as the document says.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import { ask, type Answer } from './ask.ts';

export type JsonSchema = Readonly<Record<string, any>>;
export type Parameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: JsonSchema;
};
type Content = Readonly<Record<string, { readonly schema: JsonSchema; readonly example?: unknown }>>;
export type Operation = {
  readonly operationId: string;
  readonly summary?: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly 'x-body-bytes-max'?: number;
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
};
export type ApiDocument = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
};
export type Route = { readonly method: string; readonly path: string; readonly operation: Operation };

export async function documentOf(port: number | undefined): Promise<ApiDocument> {
  return JSON.parse((await ask(port, '/openapi.json')).text) as ApiDocument;
}

/** Methods in capitals. */
export function routesOf({ paths }: ApiDocument): Route[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/** `application/json; charset=utf-8` → `application/json` */
export function mediaType(type: string): string {
  return type.split(';', 1)[0]!.trim();
}

export class AnswerCheck {
  private readonly ajv: Ajv2020;
  private readonly document: ApiDocument;
  private readonly checks = new Map<string, ValidateFunction>();

  constructor(document: ApiDocument) {
    this.document = document;
    this.ajv = new Ajv2020({ strict: false, allErrors: true, formats: { 'date-time': fullFormats['date-time'] } });
    this.ajv.addSchema(document, 'openapi');
  }

  /** What is wrong with an answer of the route; undefined: it is as the document says. */
  mistake(
    { method, path, operation }: Route,
    { status, type, text }: Pick<Answer, 'status' | 'type' | 'text'>,
  ): string | undefined {
    const key = [String(status), `${Math.floor(status / 100)}XX`, 'default'].find((name) => name in operation.responses);
    if (key === undefined) return `${status} is not documented`;
    const { content } = operation.responses[key]!;
    if (content === undefined) return undefined; // without a body, or of an answer that the document leaves open
    const media = mediaType(type);
    if (!(media in content)) return `${status} is ${media || 'without a type'}, documented is ${Object.keys(content).join(', ')}`;
    if (!media.endsWith('json')) return undefined;
    const check = this.checkOf(['paths', path, method.toLowerCase(), 'responses', key, 'content', media, 'schema']);
    return check(JSON.parse(text)) ? undefined : `${status}: ${this.ajv.errorsText(check.errors)}`;
  }

  /** A check by the schema at a place of the document. @throws when that is no JSON Schema (draft 2020-12) */
  checkOf(place: readonly string[]): ValidateFunction {
    const pointer = place.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
    const known = this.checks.get(pointer);
    if (known !== undefined) return known;
    const schema = place.reduce<any>((at, key) => at[key], this.document) as JsonSchema;
    if (this.ajv.validateSchema(schema) !== true) throw new Error(`/${place.join('/')}: ${this.ajv.errorsText()}`);
    const check = this.ajv.compile({ $ref: `openapi#/${pointer}` });
    this.checks.set(pointer, check);
    return check;
  }
}

/** Where the document has schemas: of parameters, bodies, answers, and by name. */
export function schemaPlaces(document: ApiDocument): string[][] {
  const named = Object.keys(document.components.schemas).map((name) => ['components', 'schemas', name]);
  const ofContent = (at: string[], content: Content = {}): string[][] =>
    Object.keys(content).map((type) => [...at, 'content', type, 'schema']);
  const ofRoutes = routesOf(document).flatMap(({ path, method, operation }) => {
    const at = ['paths', path, method.toLowerCase()];
    return [
      ...(operation.parameters ?? []).map((_, n) => [...at, 'parameters', String(n), 'schema']),
      ...ofContent([...at, 'requestBody'], operation.requestBody?.content),
      ...Object.entries(operation.responses).flatMap(([status, { content }]) => ofContent([...at, 'responses', status], content)),
    ];
  });
  return [...named, ...ofRoutes];
}
