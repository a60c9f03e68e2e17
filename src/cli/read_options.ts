// What the commands that read have in common: lists of fields, and questions that a worker finds wrong.
import { VisageError } from '../base/errors.ts';
import { WrongUse } from './failure.ts';

/** What a worker says about the question itself is wrong use of the command. */
const WRONG_QUESTION = new Set(['bad_query', 'no_such_policy']);

/** @throws WrongUse when the worker cannot take the question */
export async function askedRight<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof VisageError && WRONG_QUESTION.has(error.code)) throw new WrongUse(error.message);
    throw error;
  }
}

/** `a,b["x,y"]` → both of them: a comma in a quoted key separates nothing. */
export function listOf(text: string): string[] {
  const parts = text.match(/(?:"(?:\\.|[^"\\])*"|[^,"])+/g) ?? [];
  return parts.map((part) => part.trim());
}

/** For options that may be given more than once. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
