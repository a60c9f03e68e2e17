// Where the members of a JSON object, or the elements of an array, stand in their text. JM1: a value that is cut out of a text keeps its
// digits; one that is parsed and written again does not: 1.10 becomes 1.1, and 12345678901234567890 another number.
// JM2: every loop ends with the text, whatever is in it.
// Why not the source text that JSON.parse gives a reviver: it gives that of numbers and texts only, not of objects.

/** From the value's first character to behind its last. */
export type Span = { readonly start: number; readonly end: number };

const QUOTE = 34;
const BACKSLASH = 92;

/** @param text valid JSON: whoever calls has parsed it   @param start where the object begins, blanks before it allowed
 *  @returns the members of that object; of a name that comes twice the last, as JSON.parse has it.  Cost: O(its length) */
export function membersOf(text: string, start = 0): ReadonlyMap<string, Span> {
  const members = new Map<string, Span>();
  let at = skipBlanks(text, text.indexOf('{', start) + 1);
  while (text[at] === '"') {
    const nameEnd = endOfText(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const valueStart = skipBlanks(text, text.indexOf(':', nameEnd) + 1);
    const valueEnd = endOfValue(text, valueStart);
    members.set(name, { start: valueStart, end: valueEnd });
    at = skipBlanks(text, valueEnd);
    if (text[at] === ',') at = skipBlanks(text, at + 1);
  }
  return members;
}

/** The texts of an array's elements and the place behind it, without parsing any: a large array is never in memory as a whole. Where an element
 *  ends is all that is looked at: whether it is JSON, whoever parses it finds out.
 *  @param start where the array begins, blanks before it allowed   @param most reading ends after one more than so many
 *  @returns undefined when this cannot be an array.  Cost: O(its length) */
export function elementsOf(
  text: string,
  start: number,
  most: number,
): { readonly texts: readonly string[]; readonly end: number } | undefined {
  const texts: string[] = [];
  let at = skipBlanks(text, start);
  if (text[at] !== '[') return undefined;
  at = skipBlanks(text, at + 1);
  if (text[at] === ']') return { texts, end: at + 1 };
  while (at < text.length && texts.length <= most) {
    const end = endOfElement(text, at);
    const element = text.slice(at, end).trim();
    if (element === '' || end >= text.length) return undefined;
    texts.push(element);
    if (text[end] === ']') return { texts, end: end + 1 };
    at = skipBlanks(text, end + 1);
  }
  return texts.length > most ? { texts, end: at } : undefined;
}

/** The comma or the bracket behind the element that begins here. */
function endOfElement(text: string, start: number): number {
  for (let at = start, depth = 0; at < text.length;) {
    const character = text[at]!;
    if (character === '"') {
      at = endOfText(text, at);
      continue;
    }
    if (depth === 0 && (character === ',' || character === ']')) return at;
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    if (depth < 0) return text.length;
    at++;
  }
  return text.length;
}

function endOfValue(text: string, start: number): number {
  if (text[start] === '"') return endOfText(text, start);
  if (text[start] !== '{' && text[start] !== '[') {
    let at = start;
    while (at < text.length && !',]} \t\n\r'.includes(text[at]!)) at++;
    return at;
  }
  for (let at = start, depth = 0; ;) {
    const character = text[at];
    if (character === undefined) return text.length;
    if (character === '"') at = endOfText(text, at);
    else {
      if (character === '{' || character === '[') depth++;
      else if (character === '}' || character === ']') depth--;
      at++;
      if (depth === 0) return at;
    }
  }
}

function endOfText(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at + 1;
}

function skipBlanks(text: string, start: number): number {
  let at = start;
  while (at < text.length && ' \t\n\r'.includes(text[at]!)) at++;
  return at;
}
