// The live definitions: what is computed, of what, and by which rules records are merged.
import { kindText, liveDefinitions, ruleText, shadeOf } from './definitions.js';
import { timeNode } from './clock.js';
import { fill, h } from './dom.js';
import { loadInto } from './states.js';

/** @import { Child } from './dom.js' */
/** @import { AttributeDefinition, Definitions, LiveDefinitions } from './definitions.js' */

/** @param {HTMLElement} main @param {AbortSignal} signal */
export function definitionsView(main, signal) {
  document.title = 'Definitions · Visage';
  const lead = h('p', { class: 'lead' }, 'What the workers compute, as it is live now.');
  const place = h('div', { class: 'stack' });
  fill(main, h('header', { class: 'page-head' }, h('h1', { tabindex: -1 }, 'Definitions'), lead), place);
  return loadInto(place, {
    lines: 8,
    signal,
    load: () => liveDefinitions(signal),
    show: (live) => {
      fill(lead, ...leadNodes(live));
      fill(place, ...sections(live.definitions));
    },
  });
}

/** @param {LiveDefinitions} live @returns {Child[]} */
function leadNodes({ hash, since }) {
  const version = h('code', { title: hash }, hash.slice(0, 12));
  return since === null ? ['Version ', version, ', live now.'] : ['Version ', version, ', live since ', timeNode(since), '.'];
}

/** @param {Definitions} definitions */
function sections(definitions) {
  const { computedAttributes, datasets, mergePolicies = {}, namespaces, schemas } = definitions;
  const attributes = Object.entries(computedAttributes);
  return [
    card('Computed attributes', h('ul', { class: 'rows' }, ...attributes.map(attributeNode)), attributes.length),
    card(
      'Datasets',
      table(
        ['Dataset', 'Schema', 'Holds', 'Kept'],
        Object.entries(datasets).map(([name, { schema, profile, timeToLive }]) => [
          h('span', { class: `dataset ${shadeOf(definitions, name)}` }, name),
          schema,
          `${schemas[schema]?.behavior ?? '?'}s${profile ? '' : ', not for profiles'}`,
          timeToLive ?? 'as long as the log',
        ]),
      ),
      Object.keys(datasets).length,
    ),
    card(
      'Merge policies',
      table(
        ['Policy', 'Where datasets disagree'],
        Object.entries(mergePolicies).map(([name, policy]) => [
          `${name}${policy.default === true ? ' (default)' : ''}`,
          ruleText(policy),
        ]),
      ),
      Object.keys(mergePolicies).length,
    ),
    card(
      'Namespaces',
      table(
        ['Namespace', 'Type', 'Priority', ''],
        Object.entries(namespaces).map(([name, { type, priority, unique }]) => [
          name,
          type,
          String(priority),
          unique === true ? 'one a person' : '',
        ]),
      ),
      Object.keys(namespaces).length,
    ),
    card(
      'Schemas',
      h(
        'div',
        { class: 'rows' },
        ...Object.entries(schemas).map(([name, { behavior, jsonSchema }]) => schemaNode(name, behavior, jsonSchema)),
      ),
      Object.keys(schemas).length,
    ),
  ];
}

/** @param {string} title @param {HTMLElement} body @param {number} count */
function card(title, body, count) {
  const id = `part-${title.toLowerCase().replace(' ', '-')}`;
  return h(
    'section',
    { class: 'card wide', 'aria-labelledby': id },
    h('h2', { id }, title),
    count === 0 ? h('p', { class: 'none' }, 'None.') : body,
  );
}

/** @param {readonly string[]} heads @param {readonly (readonly Child[])[]} rows */
function table(heads, rows) {
  const cells = (/** @type {readonly Child[]} */ row) =>
    row.map((cell, n) => (n === 0 ? h('th', { scope: 'row' }, cell) : h('td', {}, cell)));
  const head = heads.map((text) => (text === '' ? h('td', {}) : h('th', { scope: 'col' }, text)));
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': heads[0] },
    h(
      'table',
      { class: 'list' },
      h('thead', {}, h('tr', {}, ...head)),
      h('tbody', {}, ...rows.map((row) => h('tr', {}, ...cells(row)))),
    ),
  );
}

/** @param {[string, AttributeDefinition]} entry */
function attributeNode([name, definition]) {
  const { description, eventTypes, filter, value, expression, audience, limit } = definition;
  /** @type {readonly (readonly [string, string | undefined])[]} */
  const parts = [
    ['events', eventTypes?.join(', ')],
    ['filter', filter],
    ['value', value],
    ['limit', limit === undefined ? undefined : String(limit)],
    ['expression', expression],
  ];
  const shown = parts.flatMap(([word, text]) =>
    text === undefined ? [] : [h('div', {}, h('dt', {}, word), h('dd', {}, h('code', {}, text)))],
  );
  return h(
    'li',
    { class: 'definition' },
    h('h3', {}, name, audience === true ? h('span', { class: 'tag' }, 'audience') : null),
    h('p', { class: 'fine' }, kindText(definition)),
    description === undefined ? null : h('p', { class: 'described' }, description),
    shown.length === 0 ? null : h('dl', { class: 'parts' }, ...shown),
  );
}

/** @param {string} name @param {string} behavior @param {unknown} jsonSchema */
function schemaNode(name, behavior, jsonSchema) {
  const text = h('pre', { class: 'payload', tabindex: 0 }, JSON.stringify(jsonSchema, null, 2));
  return h(
    'details',
    { class: 'schema' },
    h('summary', {}, h('strong', {}, name), h('span', { class: 'fine' }, ` ${behavior}s`)),
    text,
  );
}
