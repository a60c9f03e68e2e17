// What messages look like that the user's definitions have something to say about.
// ED1: read from the definitions: no function, window or kind of attribute is known by name here.
import type { Plan } from '../aggregate/plan.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { recordShape, schemasOf, unionShape } from '../definitions/event_shape.ts';
import { pathDomains, type PathDomain } from './path_domain.ts';

export type EventDomain = {
  readonly paths: readonly PathDomain[];
  /** Types that definitions look at, one that they don't, and undefined: no type at all. */
  readonly eventTypes: readonly (string | undefined)[];
  readonly datasets: readonly string[];
  readonly namespaces: readonly string[];
  /** Lengths of windows, ascending: where values leave. */
  readonly windowsMs: readonly number[];
};

/** No datasets: the definitions know no records. */
export type RecordDomain = { readonly paths: readonly PathDomain[]; readonly datasets: readonly string[] };

const ENVELOPE = new Set(['_id', 'timestamp', 'eventType', 'identityMap']);
/** What expressions know of a profile beside its records. */
const IDENTITY = new Set(['namespace', 'id']);

export function eventDomain(document: DefinitionsDocument, plan: Plan, startMs: number): EventDomain {
  const { shape } = unionShape(schemasOf(document.data, 'event'));
  return {
    paths: pathDomains(document, { root: 'event', shape, startMs, except: ENVELOPE }),
    eventTypes: [...plan.byEventType.keys(), ...plan.byEventType.keys(), 'something.else', undefined],
    datasets: datasetsOf(plan, 'event'),
    namespaces: [...plan.admission.namespaces.keys()].sort(),
    windowsMs: windowLengths(plan),
  };
}

export function recordDomain(document: DefinitionsDocument, plan: Plan, startMs: number): RecordDomain {
  const shape = recordShape(schemasOf(document.data, 'record'));
  return {
    paths: pathDomains(document, { root: 'profile', shape, startMs, except: IDENTITY }),
    datasets: datasetsOf(plan, 'record'),
  };
}

function datasetsOf(plan: Plan, behavior: 'event' | 'record'): string[] {
  return [...plan.admission.datasets.values()].filter((rule) => rule.behavior === behavior).map(({ name }) => name);
}

function windowLengths(plan: Plan): number[] {
  const numbers = plan.attributes.flatMap(({ window }) => Object.values(window).filter((value) => typeof value === 'number'));
  return [...new Set(numbers.filter((ms) => ms > 0))].sort((a, b) => a - b);
}
