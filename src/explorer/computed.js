// Computed attributes and audiences: what each is now, when it changes next, and why.
import { setTime, setUntil } from './clock.js';
import { flash, freshId, h, keyedList, setOpen, setProps, setText } from './dom.js';
import { exactText, valueText } from './format.js';
import { kindText } from './definitions.js';
import { Why } from './why.js';

/** @import { ComputedValue, ProfileView } from '../profile/view.ts' */
/** @import { AttributeDefinition, Definitions } from './definitions.js' */

/** `value`: undefined when it has none.
 *  @typedef {{ readonly name: string, readonly definition: AttributeDefinition, readonly value: ComputedValue | undefined }} Item */
/** @typedef {{ readonly namespace: string, readonly id: string, readonly signal: AbortSignal, readonly shade: (dataset: string) => string }} Options */

/** @param {Options} options */
export function computedSection(options) {
  /** @type {Map<string, Row>} */
  const rows = new Map();
  const values = h('ul', { class: 'rows', 'aria-label': 'Computed attributes' });
  const audiences = h('ul', { class: 'rows', 'aria-label': 'Audiences' });
  const noValues = h('p', { class: 'none', hidden: true }, 'The definitions have no computed attributes.');
  const noAudiences = h('p', { class: 'none', hidden: true }, 'The definitions have no audiences.');
  /** @param {string} name */
  const onInput = (name) => rows.get(name)?.show();
  /** @param {Element} list */
  const listOf = (list) =>
    keyedList(list, {
      key: (/** @type {Item} */ { name }) => name,
      make: (item) => {
        const row = new Row(item, { ...options, onInput });
        rows.set(item.name, row);
        return row.node;
      },
      update: (_, item) => rows.get(item.name)?.update(item),
    });
  const [showValues, showAudiences] = [listOf(values), listOf(audiences)];
  return {
    values: h('div', {}, values, noValues),
    audiences: h('div', {}, audiences, noAudiences),
    /** @param {ProfileView} view @param {Definitions} definitions */
    update(view, definitions) {
      const items = itemsOf(view, definitions);
      const [computed, boolean] = [
        items.filter(({ definition }) => definition.audience !== true),
        items.filter(({ definition }) => definition.audience === true),
      ];
      showValues(computed);
      showAudiences(boolean);
      setProps(noValues, { hidden: computed.length > 0 });
      setProps(noAudiences, { hidden: boolean.length > 0 });
      for (const row of rows.values()) row.refresh(view.sequence);
    },
    /** Shown for a moment. @param {string} name */
    flash: (name) => rows.get(name)?.flash(),
  };
}

/** Each that is defined, also those without a value; and whatever has a value, should the definitions be older. Those with a window first:
 *  they change by themselves. @param {ProfileView} view @param {Definitions} definitions @returns {Item[]} */
function itemsOf({ computed }, { computedAttributes }) {
  const names = new Set([...Object.keys(computedAttributes), ...Object.keys(computed)]);
  const items = [...names].sort().map((name) => ({
    name,
    definition: computedAttributes[name] ?? { function: '' },
    value: Object.hasOwn(computed, name) ? computed[name] : undefined,
  }));
  const isStill = (/** @type {Item} */ { definition }) => Number(typeof definition.window !== 'object');
  return items.sort((a, b) => isStill(a) - isStill(b));
}

class Row {
  node;
  #name;
  #value = h('span', { class: 'value' });
  #next = h('span', { class: 'next' });
  #until = h('time', { class: 'until' });
  #at = h('time');
  #button;
  #panel;
  #options;
  #definition;
  /** @type {Why | undefined} */
  #why;
  /** What the profile said when it was last explained. */
  #explained = '';
  #json = '';
  #isAudience;

  /** @param {Item} item @param {Options & { readonly onInput: (name: string) => void }} options */
  constructor({ name, definition }, options) {
    this.#name = name;
    this.#options = options;
    this.#definition = definition;
    this.#isAudience = definition.audience === true;
    const id = freshId('why');
    this.#button = h(
      'button',
      {
        type: 'button',
        class: 'why-button',
        'aria-expanded': 'false',
        'aria-controls': id,
        'aria-label': `Why ${name}`,
        onclick: () => this.#toggle(),
      },
      'Why',
    );
    this.#panel = h('div', { id, hidden: true });
    const about = h('p', { class: 'fine' }, kindText(definition));
    const described =
      definition.description === undefined
        ? null
        : h('p', { class: 'described', title: definition.description }, definition.description);
    const head = h(
      'div',
      { class: 'row-head' },
      h('div', { class: 'row-name' }, h('h3', {}, name), about, described),
      h('div', { class: 'row-value' }, this.#value, this.#next),
      this.#button,
    );
    this.node = h('li', { class: this.#isAudience ? 'row audience' : 'row', 'data-name': name }, head, this.#panel);
  }

  /** @param {Item} item */
  update({ value, definition }) {
    this.#definition = definition;
    this.#json = JSON.stringify(value ?? null);
    this.node.classList.toggle('absent', value === undefined);
    setText(this.#value, this.#textOf(value?.value));
    setProps(this.#value, {
      title: exactText(value?.value),
      'data-state': this.#isAudience ? String(value?.value === true) : null,
    });
    this.#showNext(value);
  }

  /** @param {unknown} value */
  #textOf(value) {
    if (this.#isAudience) return value === true ? 'in' : 'not in';
    return value === undefined ? 'no value' : valueText(value);
  }

  /** @param {ComputedValue | undefined} value */
  #showNext(value) {
    if (value?.nextChangeAt !== undefined) {
      setUntil(this.#until, value.nextChangeAt);
      if (this.#until.parentNode !== this.#next) this.#next.replaceChildren('changes ', this.#until);
    } else if (value?.timestamp !== undefined) {
      setTime(this.#at, value.timestamp);
      if (this.#at.parentNode !== this.#next) this.#next.replaceChildren('from ', this.#at);
    } else if (this.#next.firstChild !== null) this.#next.replaceChildren();
    if (value?.precision !== undefined) setProps(this.#next, { title: `not exact: ${value.precision.mode}` });
  }

  flash() {
    flash(this.node);
  }

  #toggle() {
    if (this.#panel.hidden) return this.#open();
    this.#panel.hidden = true;
    setOpen(this.#button, false);
  }

  #open() {
    this.#panel.hidden = false;
    setOpen(this.#button, true);
    if (this.#why === undefined) {
      this.#why = new Why({ ...this.#options, name: this.#name, definition: this.#definition });
      this.#panel.append(this.#why.node);
    }
    this.#explained = this.#json;
    void this.#why.ask(0);
  }

  /** Opened, in sight, and focused: from where it is named. */
  show() {
    if (this.#panel.hidden) this.#open();
    this.node.scrollIntoView({ block: 'nearest' });
    this.#button.focus();
  }

  /** The profile has changed: what is open is asked for again, if it is about this. @param {number} sequence */
  refresh(sequence) {
    if (this.#panel.hidden || this.#why === undefined || this.#explained === this.#json) return;
    this.#explained = this.#json;
    void this.#why.ask(sequence);
  }
}
