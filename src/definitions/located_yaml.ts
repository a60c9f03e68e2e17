// YAML or JSON text whose every value knows its line and column. JSON is read as YAML 1.2, of which it is a subset.
// Boundary: syntax only; what keys mean is for the callers.
// L1: never throws for bad text: mistakes are values. L2: one document a file, no duplicate keys, no `__proto__` key.
import {
  LineCounter,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type Alias,
  type Document,
  type Node,
  type Pair,
} from 'yaml';
import type { Mistake } from './mistakes.ts';
import { errorText } from '../base/errors.ts';

export type Path = readonly (string | number)[];

/** `value` is undefined when the text has syntax mistakes. */
export type LocatedFile = {
  readonly file: string;
  readonly text: string;
  readonly value: unknown;
  readonly mistakes: readonly Mistake[];
  readonly document: Document;
  readonly lines: LineCounter;
};

export function readLocated(file: string, text: string): LocatedFile {
  const lines = new LineCounter();
  const document: Document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, version: '1.2' });
  const mistakes: Mistake[] = document.errors.map((error) => placed(file, lines, error.pos[0], `${syntaxText(error.message)}`));
  const located = { file, text, document, lines };
  visit(document, {
    Alias: (_key, alias) => {
      const target = alias.resolve(document);
      if (target !== undefined && inside(target, alias))
        mistakes.push(placed(file, lines, alias.range?.[0] ?? 0, `the alias '*${alias.source}' is inside of what it stands for`));
    },
    Scalar: (_key, scalar) => {
      const { value } = scalar;
      if (typeof value === 'object' && value !== null)
        mistakes.push(placed(file, lines, scalar.range?.[0] ?? 0, 'only text, numbers, true, false and null can stand here'));
    },
    Pair: (_key, pair) => {
      if (isScalar(pair.key) && pair.key.value === '__proto__') {
        mistakes.push(placed(file, lines, pair.key.range?.[0] ?? 0, `the key '__proto__' is not allowed`));
      }
    },
  });
  if (mistakes.length > 0) return { ...located, value: undefined, mistakes };
  try {
    return { ...located, value: document.toJS() as unknown, mistakes };
  } catch (error) {
    return { ...located, value: undefined, mistakes: [placed(file, lines, 0, errorText(error))] };
  }
}

/** Is the alias somewhere in the node? Then it has no end. */
function inside(node: Node, alias: Alias): boolean {
  let found = false;
  visit(node, {
    Alias: (_key, other) => {
      if (other !== alias) return undefined;
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

/** A mistake at the key that `path` ends with, or at the nearest parent that exists. */
export function atKey(located: LocatedFile, path: Path, message: string): Mistake {
  for (let length = path.length; length > 0; length--) {
    const parent = nodeAt(located.document, path.slice(0, length - 1));
    const pair = isMap(parent) ? pairOf(parent.items, path[length - 1]!) : undefined;
    const node = isNode(pair?.key) ? pair.key : isSeq(parent) ? parent.items[Number(path[length - 1])] : undefined;
    if (isNode(node)) return placed(located.file, located.lines, node.range?.[0] ?? 0, message);
  }
  return placed(located.file, located.lines, 0, message);
}

/** A mistake at the value of `path`; `offset` characters into it when the value is text that stands in the file as it is. */
export function atValue(located: LocatedFile, path: Path, message: string, offset = 0): Mistake {
  const node = nodeAt(located.document, path);
  if (node?.range == null) return atKey(located, path, message);
  let start = node.range[0];
  if (offset > 0 && isScalar(node) && typeof node.value === 'string') {
    // Escapes and folded lines move characters: then the start of the value has to do.
    const verbatim = located.text.slice(start, node.range[1]).indexOf(node.value.trimEnd());
    if (verbatim >= 0) start += verbatim + offset;
  }
  return placed(located.file, located.lines, start, message);
}

function placed(file: string, lines: LineCounter, offset: number, message: string): Mistake {
  const { line, col } = lines.linePos(offset);
  return { file, line: Math.max(1, line), column: Math.max(1, col), message };
}

function nodeAt(document: Document, path: Path): Node | undefined {
  let node: unknown = document.contents;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) node = pairOf(node.items, step)?.value;
    else if (isSeq(node)) node = node.items[Number(step)];
    else return undefined;
  }
  return isNode(node) ? node : undefined;
}

function pairOf(items: readonly unknown[], key: string | number): Pair | undefined {
  return items.find((item): item is Pair => isPair(item) && isScalar(item.key) && String(item.key.value) === String(key));
}

/** The library's words for the mistakes that people make most, in ours. */
function syntaxText(message: string): string {
  if (message.startsWith('Map keys must be unique')) return 'the same key twice in one map';
  if (message.startsWith('Source contains multiple documents'))
    return 'more than one YAML document in one file; split it into files of one folder';
  return `not valid YAML: ${message.split('\n')[0]!}`;
}
