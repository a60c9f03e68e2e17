// What a route's schema has beside what validates its requests: for people, and what it answers.
// RS2: answers are documented, not checked at run time; the tests hold real ones against these schemas.
import { refTo } from './answer_schemas.ts';
import { PROBLEM_TYPE, statusOf, titleOf } from './problem.ts';

declare module 'fastify' {
  interface FastifySchema {
    summary?: string;
    description?: string;
    operationId?: string;
    tags?: readonly string[];
    /** Types of the bodies that it takes, where the schema of `body` does not say. */
    consumes?: readonly string[];
  }
}

/** An answer as OpenAPI has it. */
export type DocumentedAnswer = {
  readonly description: string;
  readonly headers?: Readonly<Record<string, object>>;
  readonly content?: Readonly<Record<string, { readonly schema: object; readonly example?: unknown }>>;
};

/** Of every read of one profile. */
export const READ_PROBLEMS: readonly string[] = [
  'bad_identity',
  'bad_query',
  'not_found',
  'too_many_reads',
  'shard_not_ready',
  'shard_halted',
  'stopped',
  'unavailable',
];

/** `response` of a route that answers 200 with JSON, or a problem with one of the codes. */
export function answersOf(
  description: string,
  schema: object,
  codes: readonly string[],
): Readonly<Record<string, DocumentedAnswer>> {
  return { 200: { description, content: { 'application/json': { schema } } }, ...problemsOf(codes) };
}

/** By status: the problems with these codes. */
export function problemsOf(codes: readonly string[]): Readonly<Record<string, DocumentedAnswer>> {
  const byStatus = new Map<number, string[]>();
  for (const code of codes) byStatus.set(statusOf({ code }), [...(byStatus.get(statusOf({ code })) ?? []), code]);
  return Object.fromEntries(
    [...byStatus].map(([status, named]) => [
      status,
      {
        description: `${titleOf(status)}: ${[...new Set(named)].map((code) => `\`${code}\``).join(', ')}`,
        content: { [PROBLEM_TYPE]: { schema: refTo('Problem') } },
      },
    ]),
  );
}
