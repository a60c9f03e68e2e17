// Writing where somebody else may be first.
import { VisageError } from '../base/errors.ts';

/** What was written, or undefined when somebody else was first. @throws every other error */
export async function unlessConflict<T>(writing: Promise<T>): Promise<T | undefined> {
  try {
    return await writing;
  } catch (error) {
    if (error instanceof VisageError && error.code === 'conflict') return undefined;
    throw error;
  }
}
