// Regular expressions that no text can make slow: those of RE2, in time linear in the text.
// LP1: a pattern that needs looking around or back references is refused, so is one that is very large; none is ever run by the
//      engine of the language.
import { RE2JS, type RE2JSException } from 're2js';

export type LinearPattern = { test(text: string): boolean };

/** A class of characters or a repetition of one counts as one. At the bound, 100 KB that are made for it take half a second; others, 1 ms. */
const PROGRAM_MAX = 1_000;

/** @param text in the syntax of JavaScript, as far as RE2 has it  Cost: about 0.1 ms, and 0.1 to 1 µs a short text later */
export function linearPattern(text: string): LinearPattern | { readonly wrong: string } {
  try {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(text));
    if (compiled.programSize() > PROGRAM_MAX)
      return { wrong: 'the pattern is too large: repeat less often, or let maxLength count characters' };
    return compiled;
  } catch (error) {
    const why = (error as RE2JSException).message.replace(/^error parsing regexp: /, '');
    return { wrong: `patterns run on a linear-time engine (RE2), which does not take this one: ${why.split('\n')[0]!}` };
  }
}
