// Which metrics and labels a PromQL expression names; enough of the language for the project's own rules and dashboard.
// Q1: an identifier that is no function, keyword or label counts as a metric: a misspelt one is found, never passed over.

const KEYWORDS = new Set(['and', 'or', 'unless', 'offset', 'bool', 'inf', 'nan']);
const GROUPINGS = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
const TOKEN = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|\$?[A-Za-z_:][\w:]*|\d+(?:\.\d+)?(?:e[+-]?\d+|ms|[smhdwy])?|\S/g;

export type Named = { readonly metrics: ReadonlySet<string>; readonly labels: ReadonlySet<string> };

export function namesIn(expression: string): Named {
  const metrics = new Set<string>();
  const labels = new Set<string>();
  const tokens = expression.match(TOKEN) ?? [];
  /** Inside a list of labels: the bracket that ends it. */
  let labelsUntil: string | undefined;
  for (const [i, token] of tokens.entries()) {
    const next = tokens[i + 1];
    if (token === labelsUntil) labelsUntil = undefined;
    else if (token === '{') labelsUntil = '}';
    else if (!/^[A-Za-z_:]/.test(token)) continue;
    else if (labelsUntil !== undefined) labels.add(token);
    else if (GROUPINGS.has(token.toLowerCase())) labelsUntil = ')';
    else if (next === '(' || KEYWORDS.has(token.toLowerCase())) continue;
    else if (GROUPINGS.has(next ?? ''))
      continue; // `sum by (…)`: a function whose arguments come later
    else metrics.add(token);
  }
  return { metrics, labels };
}
