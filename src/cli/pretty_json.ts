// JSON, indented for people. PJ1: only blanks between its tokens change: numbers keep their digits, names their order, also ones that come twice.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Undefined when it is not JSON. */
export function prettyJson(text: string): string | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  const tokens = text.match(TOKEN) ?? [];
  const out: string[] = [];
  let depth = 0;
  tokens.forEach((token, i) => {
    const next = tokens[i + 1];
    if (token === '{' || token === '[') {
      const isEmpty = next === '}' || next === ']';
      if (!isEmpty) depth++;
      out.push(token, isEmpty ? '' : newLine(depth));
    } else if (token === '}' || token === ']') {
      const wasEmpty = tokens[i - 1] === '{' || tokens[i - 1] === '[';
      if (!wasEmpty) depth--;
      out.push(wasEmpty ? '' : newLine(depth), token);
    } else if (token === ',') out.push(token, newLine(depth));
    else out.push(token === ':' ? ': ' : token);
  });
  return out.join('');
}

function newLine(depth: number): string {
  return `\n${'  '.repeat(depth)}`;
}
