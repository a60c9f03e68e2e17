// The OpenAPI document: every page of the HTTP port is in it, it is one by the specification, and its examples are what its schemas say.
// docs/api.md is made from it: UPDATE_DOCS=1 writes the page's table.
import { readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AnswerCheck, routesOf, schemaPlaces, type ApiDocument, type Operation } from '../../support/openapi.ts';
import { OPENAPI_SHAPE } from '../../support/openapi_shape.ts';
import { pagesWithoutWorker } from '../../support/pages.ts';

const DOC = new URL('../../../docs/api.md', import.meta.url);

let app: FastifyInstance;
let document: ApiDocument;
beforeAll(async () => {
  ({ app } = pagesWithoutWorker());
  const answer = await app.inject('/openapi.json');
  expect(answer.statusCode).toBe(200);
  document = JSON.parse(answer.body) as ApiDocument;
});
afterAll(() => app.close());

test('it is OpenAPI 3.1', () => {
  const check = new Ajv2020({ strict: false, allErrors: true }).compile(OPENAPI_SHAPE);
  check(document);
  expect(check.errors).toBeNull();
  const ids = routesOf(document).map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
});

test('every schema in it is one, and what it refers to is there', () => {
  const check = new AnswerCheck(document);
  const places = schemaPlaces(document);
  expect(places.length).toBeGreaterThan(100);
  for (const place of places) check.checkOf(place);
});

test('every page is in it, and nothing else', () => {
  const documented = routesOf(document).map(({ method, path }) => `${method} ${path}`);
  expect(documented.sort()).toEqual(printedRoutes().sort());
  for (const [path, method] of routesOf(document).map((route) => [route.path, route.method] as const)) {
    const url = path.replace('{path}', '*').replaceAll(/\{(\w+)\}/g, ':$1');
    expect(app.hasRoute({ method, url }), `${method} ${url}`).toBe(true);
  }
});

/** As fastify's own list of them has it. */
function printedRoutes(): string[] {
  const routes: string[] = [];
  const above: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent, part, methods] = /^([│├└─ ]*)(\S.*?)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? [];
    if (indent === undefined || part === undefined) continue;
    const depth = indent.length / 4 - 1;
    above.length = depth;
    above.push(part === '(empty root node)' ? '' : part);
    const url = above.join('');
    for (const method of methods?.split(', ') ?? [])
      routes.push(`${method} ${url.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{path}')}`);
  }
  return routes;
}

test('who may use a page is said, and what it can answer', () => {
  for (const { method, path, operation } of routesOf(document)) {
    const what = `${method} ${path}`;
    expect(['open', 'read', 'write', 'delete', 'admin'], what).toContain(scopeOf(operation));
    expect(operation.summary, what).not.toBe(undefined);
    expect(Object.keys(operation.responses), what).toEqual(expect.arrayContaining(['500', 'default']));
    expect(
      Object.keys(operation.responses).some((status) => /^[23]/.test(status)),
      what,
    ).toBe(true);
  }
  const open = routesOf(document).filter(({ operation }) => scopeOf(operation) === 'open');
  for (const { path } of open) expect(path).toMatch(/^\/(healthz|readyz|metrics|openapi\.json|explorer(\/.*)?)?$/);
});

test('examples are what their schemas say', () => {
  const check = new AnswerCheck(document);
  let examples = 0;
  for (const place of schemaPlaces(document)) {
    const schema = place.reduce<any>((at, key) => at[key], document);
    const beside = place.slice(0, -1).reduce<any>((at, key) => at[key], document);
    for (const example of [...(schema.examples ?? []), ...(beside.example === undefined ? [] : [beside.example])]) {
      const valid = check.checkOf(place);
      expect(valid(example), `${place.join(' ')}: ${JSON.stringify(valid.errors)}`).toBe(true);
      examples++;
    }
  }
  expect(examples).toBeGreaterThan(10);
});

function scopeOf({ security }: Operation): string {
  return security.length === 0 ? 'open' : security[0]!['bearerAuth']!.join();
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function table(): string {
  const rows = routesOf(document).map(({ method, path, operation }) => {
    const { requestBody, responses, summary = '' } = operation;
    const of = (wanted: RegExp): string[] => Object.keys(responses).filter((status) => wanted.test(status));
    const problems = of(/^[45]/).map((status) => {
      const codes = [...responses[status]!.description.matchAll(/`\w+`/g)].map(([code]) => code);
      return codes.length === 0 ? status : `${status} ${codes.join(' ')}`;
    });
    const bytes = operation['x-body-bytes-max'];
    const body =
      requestBody === undefined || bytes === undefined
        ? ''
        : `${Object.keys(requestBody.content)
            .map((type) => `\`${type}\``)
            .join(', ')}, ${bytes / 1024} KB`;
    return [`\`${method} ${path}\``, summary, `\`${scopeOf(operation)}\``, body, of(/^[23]/).join(', '), problems.join(' · ')];
  });
  const head = ['route', 'what', 'scope', 'body, at most', 'answers', 'problems'];
  return [
    '',
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
    '',
    '',
  ].join('\n');
}

test('docs/api.md has every page', () => {
  const text = readFileSync(DOC, 'utf8');
  const [begin] = /<!-- routes: .* -->\n/.exec(text)!;
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf('<!-- /routes -->');
  expect(to).toBeGreaterThanOrEqual(from);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOC, text.slice(0, from) + table() + text.slice(to));
  else expect(text.slice(from, to)).toBe(table());
});
