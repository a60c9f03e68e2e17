// Where one begins: what this worker holds, at a glance. Finding a profile is in the head of every page.
import { getJson } from './api.js';
import { liveDefinitions } from './definitions.js';
import { fill, h } from './dom.js';
import { countText, numberText, valueText } from './format.js';
import { loadInto } from './states.js';

/** @import { WorkerStatus } from '../ports/reads.ts' */
/** @import { LiveDefinitions } from './definitions.js' */

/** @param {HTMLElement} main @param {AbortSignal} signal */
export function homeView(main, signal) {
  document.title = 'Visage';
  const place = h('div', { class: 'tiles' });
  fill(
    main,
    h(
      'header',
      { class: 'home-head' },
      h('h1', { tabindex: -1 }, 'Whom are you looking for?'),
      h(
        'p',
        { class: 'lead' },
        'A profile is found by its identity: a namespace and an id, letter by letter. It then stays up to date before your eyes, and says of every value why it is so.',
      ),
    ),
    place,
  );
  return loadInto(place, {
    lines: 3,
    signal,
    load: () => Promise.all([/** @type {Promise<WorkerStatus>} */ (getJson('shards', { signal })), liveDefinitions(signal)]),
    show: ([status, live]) => fill(place, shardsTile(status), definitionsTile(live), datasetsTile(live)),
  });
}

/** @param {WorkerStatus} status */
function shardsTile({ shards, workers = [] }) {
  const active = shards.filter(({ state }) => state === 'active').length;
  const lag = shards.reduce((sum, { lag: behind }) => sum + Number(behind ?? 0), 0);
  const profiles = shards.reduce((sum, shard) => sum + Number(shard['profiles'] ?? 0), 0);
  const text = `${active} of ${countText(shards.length, 'shard')} active, ${lag === 0 ? 'up to date' : `${countText(lag, 'message')} behind`}, ${countText(Math.max(1, workers.length), 'worker')}.`;
  return tile('#/shards', numberText(profiles), profiles === 1 ? 'profile' : 'profiles', text);
}

/** @param {LiveDefinitions} live */
function definitionsTile({ definitions, since }) {
  const attributes = Object.values(definitions.computedAttributes);
  const audiences = attributes.filter(({ audience }) => audience === true).length;
  const text = `${countText(audiences, 'audience')} among them${since === null ? '' : `; live since ${valueText(since)}`}.`;
  return tile(
    '#/definitions',
    numberText(attributes.length),
    attributes.length === 1 ? 'computed attribute' : 'computed attributes',
    text,
  );
}

/** @param {LiveDefinitions} live */
function datasetsTile({ definitions: { datasets } }) {
  const names = Object.keys(datasets);
  const text = `${names.slice(0, 5).join(', ')}${names.length > 5 ? ' …' : ''}: every field, and who contributes it.`;
  return tile('#/fields', numberText(names.length), names.length === 1 ? 'dataset' : 'datasets', text);
}

/** @param {string} href @param {string} figure @param {string} noun @param {string} text */
function tile(href, figure, noun, text) {
  return h(
    'a',
    { class: 'tile', href },
    h('span', { class: 'figure' }, figure),
    h('span', { class: 'noun' }, noun),
    h('span', { class: 'fine' }, text),
  );
}
