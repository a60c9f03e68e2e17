// The rules of all expressions of a file together, and of audiences, whose type an expression may decide.
// CX1: every mistake, each once, at its place.
import type { Entries, Entry } from './definition_entries.ts';
import type { EventShape } from './event_shape.ts';
import { expressionGraph, type ExpressionGraph, type Formula } from './expression_graph.ts';
import { FUNCTIONS, type FileAttribute } from './file_shape.ts';
import { atKey, atValue } from './located_yaml.ts';
import type { Mistake } from './mistakes.ts';

/** @param record what records say of a profile   @param complete false: a file could not be read, and names may be in it */
export function expressionMistakes(
  attributes: Entries<FileAttribute>,
  formulas: ReadonlyMap<string, Formula>,
  record: EventShape,
  complete: boolean,
): Mistake[] {
  const graph = expressionGraph(formulas, record, complete);
  const mistakes: Mistake[] = [];
  for (const [name, found] of graph.mistakes) {
    const { located, path } = attributes.get(name)!;
    for (const { offset, message } of found)
      mistakes.push(atValue(located, [...path, 'expression'], `expression of '${name}': ${message}`, offset));
  }
  for (const entry of attributes.values()) mistakes.push(...audienceMistakes(entry, graph));
  return [...mistakes, ...shadowed(attributes, graph)];
}

function audienceMistakes({ name, located, path, raw }: Entry<FileAttribute>, graph: ExpressionGraph): Mistake[] {
  const function_ = raw['function'];
  if (raw['audience'] !== true || function_ === 'exists') return [];
  const at = (message: string): Mistake[] => [atKey(located, [...path, 'audience'], `an audience is true or false: ${message}`)];
  if (function_ !== 'expression') {
    // of a function that nobody knows there is nothing to say
    const known = FUNCTIONS.find((candidate) => candidate === function_);
    return known === undefined ? [] : at(`exists, or an expression over '${name}'; ${known} is neither`);
  }
  const type = graph.compiled.get(name)?.type ?? 'bool';
  if (type === 'bool') return [];
  return at(`this expression is of type ${type}${type === 'dyn' ? '; compare it, for example == true' : ''}`);
}

/** An attribute whose name is a word of the language, where some expression uses that word. */
function shadowed(attributes: Entries<FileAttribute>, graph: ExpressionGraph): Mistake[] {
  const users = new Map<string, string>();
  for (const [name, { words }] of graph.parsed) for (const word of words) if (!users.has(word.name)) users.set(word.name, name);
  return [...users]
    .filter(([word]) => attributes.has(word))
    .map(([word, user]) => {
      const { located, path } = attributes.get(word)!;
      const meaning = `'${word}' cannot name a computed attribute here: in an expression it means something else ('${user}' uses it)`;
      return atKey(located, path, `${meaning}; rename it, or write ${memberText(word)} where the attribute is meant`);
    });
}

/** CEL's grammar keeps a few words also after a dot. */
function memberText(word: string): string {
  return ['true', 'false', 'null', 'in'].includes(word) ? `computed["${word}"]` : `computed.${word}`;
}
