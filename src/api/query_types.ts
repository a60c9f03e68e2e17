// Query parameters in the types that a route's schema names, before it looks at them: digits become a number, one becomes a list of one.
// QT1: nothing else is turned into anything: what is written otherwise stays text, and the schema says what is wrong with it.
import type { preValidationHookHandler } from 'fastify';

const DIGITS = /^\d{1,16}$/;

type Property = { readonly type?: unknown };

/** Undefined: the schema names no such type. */
export function toQueryTypes(querystring: unknown): preValidationHookHandler | undefined {
  const { properties = {} } = (querystring ?? {}) as { readonly properties?: Readonly<Record<string, Property>> };
  const of = (type: string): ReadonlySet<string> =>
    new Set(Object.keys(properties).filter((name) => properties[name]!.type === type));
  const [numbers, lists] = [of('integer'), of('array')];
  if (numbers.size + lists.size === 0) return undefined;
  return (request, _, done) => {
    const query = request.query as Record<string, unknown>;
    for (const name of Object.keys(query)) {
      const value = query[name];
      if (typeof value !== 'string') continue;
      if (lists.has(name)) query[name] = [value];
      else if (numbers.has(name) && DIGITS.test(value)) query[name] = Number(value);
    }
    done();
  };
}
