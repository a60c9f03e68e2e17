// Does an explanation add up? The value once more, from nothing but what the explanation lists.
// EX1: the order of the list is not relied on; that it is newest first is checked apart.
// EX2: code of its own, but for the exact decimal sum, which is the oracle's.
import { exactMean, exactSum } from '../../src/oracle/exact_sum.ts';
import { jsonEqual } from '../../src/oracle/json_equal.ts';
import type { ExplainedEvent, Explanation } from '../../src/profile/explanation.ts';

export type Expected = {
  /** What the profile says; undefined: absent. */
  readonly value: unknown;
  /** Of a list. */
  readonly limit: number;
  /** The value of an expression from those of its inputs. */
  readonly evaluate: (inputs: Readonly<Record<string, unknown>>) => unknown;
};

/** Every way in which the list does not make the value; empty: it does. */
export function explanationProblems(explanation: Explanation, expected: Expected): string[] {
  const { field, value, events, counted, truncated, missing } = explanation;
  const problems: string[] = [];
  const note = (what: string, mine: unknown, right: unknown): void => {
    if (!jsonEqual(mine, right))
      problems.push(`${field}: ${what} is ${JSON.stringify(mine)}, should be ${JSON.stringify(right)}`);
  };
  note('its value', value, expected.value);
  note('truncated', truncated, undefined);
  note('missing', missing, undefined);
  note('how many are listed', events.length, counted);
  note('how many different messages', new Set(events.map(({ sequence }) => sequence)).size, counted);
  note('the order', events, [...events].sort(newestFirst));
  note(
    'what is outside of the window',
    events.filter((event) => !isInside(explanation, event)),
    [],
  );
  const made = explanation.function === 'expression' ? fromInputs(explanation, expected) : fromEvents(explanation, expected);
  note('the value', value, made.value);
  note('its time', explanation.timestamp, made.timestamp);
  return problems;
}

type Made = { readonly value: unknown; readonly timestamp?: string };

function fromInputs({ inputs = {} }: Explanation, { evaluate }: Expected): Made {
  return { value: evaluate(Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value]))) };
}

function fromEvents({ function: name, events }: Explanation, { limit }: Expected): Made {
  const values = events.map((event) => event.value);
  const numbers = values as number[];
  const ordered = [...events].sort(newestFirst);
  const shown = (event: ExplainedEvent | undefined): Made =>
    event === undefined ? { value: undefined } : { value: event.value, timestamp: event.timestamp };
  switch (name) {
    case 'count':
      return { value: events.length };
    case 'sum':
      return { value: exactSum(numbers) };
    case 'average':
      return { value: numbers.length === 0 ? undefined : exactMean(numbers) };
    case 'min':
      return { value: sortedBySize(values)[0] };
    case 'max':
      return { value: sortedBySize(values).at(-1) };
    case 'mostRecent':
      return shown(ordered[0]);
    case 'earliest':
      return shown(ordered.at(-1));
    case 'list':
      return { value: ordered.slice(0, limit).map((event) => event.value) };
    case 'countDistinct':
      return { value: new Set(values).size };
    case 'exists':
      return { value: events.length > 0 };
    default:
      throw new Error(`no value of ${name} from its events`);
  }
}

/** Numbers by size; texts are RFC 3339 in UTC with milliseconds, whose order is that of time. */
function sortedBySize(values: readonly unknown[]): unknown[] {
  return (values as (number | string)[]).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

function newestFirst(a: ExplainedEvent, b: ExplainedEvent): number {
  return Date.parse(b.timestamp) - Date.parse(a.timestamp) || b.sequence - a.sequence;
}

function isInside({ range }: Explanation, { timestamp }: ExplainedEvent): boolean {
  if (range === undefined) return false;
  return timestamp <= range.to && (range.kind === 'lifetime' || timestamp >= range.from);
}
