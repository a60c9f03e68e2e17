// The live definitions, as every view asks for them. Their words are those of the definitions file.
import { getJson } from './api.js';
import { windowText } from './format.js';

/** @typedef {{ readonly description?: string, readonly eventTypes?: readonly string[], readonly filter?: string, readonly value?: string,
 *   readonly function: string, readonly window?: unknown, readonly limit?: number, readonly expression?: string, readonly audience?: boolean,
 *   readonly revision?: number }} AttributeDefinition */
/** @typedef {{ readonly attributes: 'timestampOrdered' | { readonly dataSetPrecedence: readonly string[] }, readonly default?: boolean }} PolicyDefinition */
/** @typedef {{
 *   readonly namespaces: Readonly<Record<string, { readonly type: string, readonly priority: number, readonly unique?: boolean }>>,
 *   readonly schemas: Readonly<Record<string, { readonly behavior: string, readonly jsonSchema: unknown, readonly identities?: readonly { readonly path: string, readonly namespace: string }[] }>>,
 *   readonly datasets: Readonly<Record<string, { readonly schema: string, readonly profile: boolean, readonly timeToLive?: string }>>,
 *   readonly mergePolicies?: Readonly<Record<string, PolicyDefinition>>,
 *   readonly computedAttributes: Readonly<Record<string, AttributeDefinition>> }} Definitions */
/** @typedef {{ readonly hash: string, readonly since: string | null, readonly definitions: Definitions }} LiveDefinitions */

const SHADES = 6;

/** @param {AbortSignal} signal @returns {Promise<LiveDefinitions>} */
export function liveDefinitions(signal) {
  return getJson('definitions', { signal });
}

/** The names, the default one first; none where the definitions have only the one that goes without saying. @param {Definitions} definitions */
export function policyNames({ mergePolicies = {} }) {
  const names = Object.keys(mergePolicies);
  return names.sort((a, b) => Number(mergePolicies[b]?.default ?? false) - Number(mergePolicies[a]?.default ?? false));
}

/** @param {PolicyDefinition} policy */
export function ruleText({ attributes }) {
  if (attributes === 'timestampOrdered') return 'the newest wins';
  return attributes.dataSetPrecedence.join(' before ');
}

/** `sum · last 30d`. @param {AttributeDefinition} attribute */
export function kindText(attribute) {
  const window = windowText(attribute.window);
  return window === '' ? attribute.function : `${attribute.function} · ${window}`;
}

/** A dataset has the same shade everywhere on the page. @param {Definitions | undefined} definitions @param {string} dataset */
export function shadeOf(definitions, dataset) {
  const at = Object.keys(definitions?.datasets ?? {})
    .sort()
    .indexOf(dataset);
  return `shade-${at < 0 ? 0 : (at % SHADES) + 1}`;
}
