// What records say, as a tree: each leaf with the dataset that it comes from, and what lost against it.
// AT1: the profile is shown at once; who says what comes with a second answer, and is asked for again when something has changed.
import { getJson, profilePath } from './api.js';
import { timeNode } from './clock.js';
import { fill, flash, freshId, h, keyedList, setOpen, setProps, setText } from './dom.js';
import { exactText, valueText } from './format.js';
import { placesOf } from './path.js';
import { errorNode, loadingNode } from './states.js';

/** @import { ExplainedField, FieldExplanation, FieldSource } from '../profile/explanation.ts' */
/** @import { ProfileView } from '../profile/view.ts' */
/** @import { Place } from './path.js' */

const ROOT = 'attributes';
const DEPTH_MAX = 8;

/** @typedef {{ readonly namespace: string, readonly id: string, readonly signal: AbortSignal, readonly shade: (dataset: string) => string }} Options */

/** @param {Options} options */
export function attributesSection(options) {
  const list = h('ul', { class: 'tree', 'aria-label': 'Attributes' });
  const none = h('p', { class: 'none', hidden: true }, 'No record says anything about it.');
  const rule = h('p', { class: 'fine rule' });
  /** @type {Map<string, Leaf>} */
  const leaves = new Map();
  /** @type {Set<string>} */
  const closed = new Set();
  /** @type {ProfileView | undefined} */
  let shown;
  /** @param {string} path */
  const toggle = (path) => {
    if (!closed.delete(path)) closed.add(path);
    if (shown !== undefined) showTree(shown);
  };
  const showPlaces = keyedList(list, {
    key: (/** @type {Place} */ { path, leaf }) => `${leaf ? 'leaf' : 'group'} ${path}`,
    make: (place) => {
      if (!place.leaf) return groupNode(place, () => toggle(place.path));
      const leaf = new Leaf(place, options, () => void explain(place.path));
      leaves.set(place.path, leaf);
      return leaf.node;
    },
    update: (node, place) => {
      if (place.leaf) return leaves.get(place.path)?.update(place);
      const button = node.querySelector('button');
      if (button !== null) setOpen(button, !closed.has(place.path));
    },
  });
  /** @param {ProfileView} view */
  const showTree = (view) => {
    const places = placesOf(view.attributes, ROOT);
    showPlaces(places.filter(({ path }) => ![...closed].some((group) => isBelow(path, group))));
    setProps(none, { hidden: places.length > 0 });
    const paths = new Set(places.map(({ path }) => path));
    for (const path of leaves.keys()) if (!paths.has(path)) leaves.delete(path);
  };
  let asked = 0;
  let answered = 0;
  /** Who says what at a place and below. @param {string} field */
  const explain = async (field) => {
    if (shown === undefined) return;
    const { policy, sequence } = shown;
    const turn = (asked += 1);
    const path = `${profilePath(options.namespace, options.id)}/explain/${encodeURIComponent(field)}`;
    try {
      /** @type {FieldExplanation} */
      const found = await getJson(path, { query: { policy, after: sequence }, signal: options.signal, slow: true });
      if (shown.policy !== found.policy) return; // another was chosen meanwhile
      if (turn < answered) return; // what was asked later is there already
      answered = turn;
      setText(rule, `Merged by ${found.policy}: ${found.rule.replace(/^\w+: /, '')}.`);
      const fields = 'fields' in found ? found.fields : [found];
      for (const each of fields) leaves.get(each.field)?.explain(each);
    } catch (error) {
      leaves.get(field)?.failed(error); // of all of them at once nobody has asked: whoever opens one asks again
    }
  };
  return {
    node: h('div', {}, rule, list, none),
    /** @param {ProfileView} view */
    update(view) {
      const before = shown;
      shown = view;
      showTree(view);
      if (Object.keys(view.attributes).length === 0) return;
      if (before === undefined || before.policy !== view.policy || isOther(before.attributes, view.attributes))
        void explain(ROOT);
    },
    /** @param {string} path */
    flash: (path) => leaves.get(path)?.flash(),
  };
}

/** @param {unknown} one @param {unknown} other */
function isOther(one, other) {
  return JSON.stringify(one) !== JSON.stringify(other);
}

/** @param {string} path @param {string} group */
function isBelow(path, group) {
  return path.length > group.length && path.startsWith(group) && (path[group.length] === '.' || path[group.length] === '[');
}

/** @param {number} depth */
function depthClass(depth) {
  return `depth-${Math.min(DEPTH_MAX, depth)}`;
}

/** @param {Place} place @param {() => void} onToggle */
function groupNode({ key, path, depth }, onToggle) {
  const button = h(
    'button',
    { type: 'button', class: 'group-button', 'aria-expanded': 'true', title: path, onclick: onToggle },
    key,
  );
  return h('li', { class: `group ${depthClass(depth)}` }, button);
}

class Leaf {
  node;
  #shade;
  #onAsk;
  #value = h('span', { class: 'leaf-value' });
  #source = h('span', { class: 'leaf-source' });
  #button;
  #panel;

  /** @param {Place} place @param {Options} options @param {() => void} onAsk */
  constructor({ key, path, depth }, options, onAsk) {
    this.#shade = options.shade;
    this.#onAsk = onAsk;
    const id = freshId('said');
    this.#button = h(
      'button',
      { type: 'button', class: 'said-button', 'aria-expanded': 'false', 'aria-controls': id, onclick: () => this.#toggle() },
      h('span', { class: 'unseen' }, `Who says what about ${path.slice(ROOT.length + 1)}: `),
      this.#source,
    );
    this.#panel = h('div', { id, class: 'said', hidden: true });
    const head = h('div', { class: 'leaf-head' }, h('span', { class: 'leaf-key', title: path }, key), this.#value, this.#button);
    this.node = h('li', { class: `leaf ${depthClass(depth)}`, 'data-path': path }, head, this.#panel);
  }

  /** @param {Place} place */
  update({ value }) {
    setText(this.#value, valueText(value));
    setProps(this.#value, { title: exactText(value) });
  }

  /** @param {ExplainedField} field */
  explain({ winner, losers, notTakingPart }) {
    const others = losers.length + notTakingPart.length;
    fill(
      this.#source,
      winner === undefined ? 'nobody' : h('span', { class: `dataset ${this.#shade(winner.dataset)}` }, winner.dataset),
      winner === undefined ? null : timeNode(winner.lastUpdated),
      others === 0 ? null : h('span', { class: 'others', title: `${others} more said something here` }, `+${others}`),
    );
    const rows = [
      ...(winner === undefined ? [] : [saidRow(winner, 'shown', this.#shade)]),
      ...losers.map((loser) => saidRow(loser, loser.why, this.#shade)),
      ...notTakingPart.map((dataset) =>
        h(
          'li',
          { class: 'lost' },
          h('span', { class: `dataset ${this.#shade(dataset)}` }, dataset),
          h('span', { class: 'why-not' }, 'takes no part in this policy'),
        ),
      ),
    ];
    fill(this.#panel, h('ul', {}, ...rows));
  }

  #toggle() {
    this.#panel.hidden = !this.#panel.hidden;
    setOpen(this.#button, !this.#panel.hidden);
    if (!this.#panel.hidden && this.#panel.firstChild === null) this.#ask();
  }

  #ask() {
    fill(this.#panel, loadingNode(2, 'Asking who says what'));
    this.#onAsk();
  }

  /** @param {unknown} error */
  failed(error) {
    fill(
      this.#panel,
      errorNode(error, () => this.#ask()),
    );
  }

  flash() {
    flash(this.node);
  }
}

/** @param {FieldSource} source @param {string} why @param {(dataset: string) => string} shade */
function saidRow({ dataset, lastUpdated, value, sequence }, why, shade) {
  return h(
    'li',
    { class: why === 'shown' ? 'won' : 'lost' },
    h('span', { class: `dataset ${shade(dataset)}` }, dataset),
    h('span', { class: 'said-value', title: exactText(value) }, valueText(value)),
    h('span', { class: 'said-when', title: `sequence ${sequence}` }, timeNode(lastUpdated)),
    h('span', { class: 'why-not' }, why),
  );
}
