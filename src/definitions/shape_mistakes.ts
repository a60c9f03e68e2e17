// From zod's issues to mistakes with a place and words of ours.
import type { z } from 'zod';
import { atKey, atValue, type LocatedFile, type Path } from './located_yaml.ts';
import type { Mistake } from './mistakes.ts';
import { didYouMean } from './near_miss.ts';

/** @param base where `input` stands in the file   @param known the keys of the shape, for "did you mean" */
export function shapeMistakes(
  located: LocatedFile,
  base: Path,
  input: unknown,
  issues: readonly z.core.$ZodIssue[],
  known: readonly string[],
): Mistake[] {
  return issues.flatMap((issue) => {
    const inner = issue.path.filter((step): step is string | number => typeof step !== 'symbol');
    const path = [...base, ...inner];
    const name = String(path.at(-1));
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) =>
        atKey(located, [...path, key], `unknown key '${key}'${didYouMean(key, known)}; known here: ${known.join(', ')}`),
      );
    }
    const value = inner.reduce<unknown>((at, step) => (at as Record<string | number, unknown> | undefined)?.[step], input);
    if (value === undefined) return [atKey(located, path, `'${name}' is missing${expectation(issue)}`)];
    if (issue.code === 'invalid_value') {
      const values = issue.values.map(String);
      const near = typeof value === 'string' ? didYouMean(value, values) : '';
      return [atValue(located, path, `unsupported value ${show(value)} of '${name}'${near}; supported: ${values.join(', ')}`)];
    }
    if (issue.code === 'invalid_type')
      return [atValue(located, path, `'${name}' must be ${article(issue.expected)}, not ${typeText(value)}`)];
    if (issue.code === 'too_small') {
      const what =
        issue.origin === 'array' || issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}`;
      return [atValue(located, path, `'${name}' ${what}`)];
    }
    if (issue.code === 'too_big') return [atValue(located, path, `'${name}' must be at most ${issue.maximum}`)];
    return [atValue(located, path, `'${name}': ${issue.message}`)];
  });
}

/** A value in a message: short, on one line. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 80)}'`;
  return value === undefined ? 'nothing' : (JSON.stringify(value) ?? 'nothing').slice(0, 80);
}

export function typeText(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a map' : article(typeof value);
}

function article(type: string): string {
  const words: Readonly<Record<string, string>> = {
    string: 'text',
    boolean: 'true or false',
    number: 'a number',
    int: 'a whole number',
    record: 'a map',
    object: 'a map',
    array: 'a list',
  };
  return words[type] ?? type;
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `; supported: ${issue.values.map(String).join(', ')}`;
  return issue.code === 'invalid_type' ? `; it must be ${article(issue.expected)}` : '';
}
