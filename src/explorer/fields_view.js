// The union schema: every field that records and events may have, and who contributes it.
import { getJson } from './api.js';
import { liveDefinitions, shadeOf } from './definitions.js';
import { fill, h, keyedList, setProps, setText } from './dom.js';
import { countText } from './format.js';
import { emptyNode, loadInto } from './states.js';

/** @import { UnionField, UnionSchema } from '../profile/union_schema.ts' */
/** @import { LiveDefinitions } from './definitions.js' */

/** @param {HTMLElement} main @param {AbortSignal} signal */
export function fieldsView(main, signal) {
  document.title = 'Fields · Visage';
  const place = h('div', { class: 'card wide' });
  fill(
    main,
    h(
      'header',
      { class: 'page-head' },
      h('h1', { tabindex: -1 }, 'Fields'),
      h(
        'p',
        { class: 'lead' },
        'The union of all schemas of a person: what records and events may say, and which datasets say it.',
      ),
    ),
    place,
  );
  return loadInto(place, {
    lines: 8,
    signal,
    load: () =>
      Promise.all([
        /** @type {Promise<UnionSchema>} */ (getJson('schemas/union/individual', { signal })),
        liveDefinitions(signal),
      ]),
    show: ([{ fields }, live]) =>
      fill(
        place,
        ...(fields.length === 0
          ? [emptyNode('No fields', 'The schemas of the live definitions name none.')]
          : fieldNodes(fields, live)),
      ),
  });
}

/** @param {readonly UnionField[]} fields @param {LiveDefinitions} live */
function fieldNodes(fields, { definitions }) {
  const body = h('tbody');
  const count = h('p', { class: 'fine', role: 'status' });
  const none = h('p', { class: 'none', hidden: true }, 'No field has these letters in its name.');
  const show = keyedList(body, {
    key: (/** @type {UnionField} */ { path }) => path,
    make: ({ path, type, open, schemas, datasets }) =>
      h(
        'tr',
        {},
        h('th', { scope: 'row', class: 'path' }, ...pathNodes(path)),
        h('td', {}, h('span', { class: 'type' }, open === true ? `${type}, open` : type)),
        h('td', {}, ...datasets.map((dataset) => h('span', { class: `dataset ${shadeOf(definitions, dataset)}` }, dataset))),
        h('td', { class: 'fine' }, schemas.join(', ')),
      ),
  });
  const input = h('input', {
    type: 'search',
    id: 'filter',
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: 'price, tier, …',
    oninput: () => filter(),
  });
  const filter = () => {
    const word = input.value.trim().toLowerCase();
    const found = fields.filter(({ path }) => path.toLowerCase().includes(word));
    show(found);
    setText(count, word === '' ? countText(fields.length, 'field') : `${found.length} of ${countText(fields.length, 'field')}`);
    setProps(none, { hidden: found.length > 0 });
  };
  filter();
  const heads = ['Field', 'Type', 'Datasets', 'Schemas'].map((text) => h('th', { scope: 'col' }, text));
  const table = h(
    'table',
    { class: 'list' },
    h('caption', { class: 'unseen' }, 'Fields'),
    h('thead', {}, h('tr', {}, ...heads)),
    body,
  );
  return [
    h('div', { class: 'filter' }, h('label', { for: 'filter' }, 'Filter'), input, count),
    h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Fields' }, table),
    none,
  ];
}

/** What it is below of is said more quietly. @param {string} path */
function pathNodes(path) {
  if (path === '') return [h('em', {}, 'the message itself')];
  const at = path.lastIndexOf('.') + 1;
  return [h('span', { class: 'above' }, path.slice(0, at)), path.slice(at)];
}
