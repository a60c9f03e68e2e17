// Which metrics and labels a PromQL expression names, and what it compares; enough of the language for the project's own rules and dashboards.
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

/** The same expression with nothing that filters: comparisons are `bool`, which says 0 where the filter drops a series, and instead of what is
 *  in one and not in the other (`unless`) it is what is in either. Not empty: what it looks at is there. */
export function withoutFilters(expression: string): string {
  return expression.replaceAll(/"(?:[^"\\]|\\.)*"|\{[^}]*\}|[<>=!]=(?!\s*bool)|[<>](?!=|\s*bool)|\bunless\b/g, (token) => {
    if (token === 'unless') return 'or';
    return /^[<>=!]/.test(token) ? `${token} bool` : token;
  });
}

/** Every selector of an expression: metric and matchers, without range and offset. */
export function selectorsIn(expression: string): string[] {
  const { metrics } = namesIn(expression);
  const named = expression.matchAll(/([A-Za-z_:][\w:]*)(\{[^}]*\})?/g);
  return [...named].filter(([, name]) => metrics.has(name!)).map(([selector]) => selector);
}
