// Why a computed value is what it is: the events that count, one by one, and what they come to.
// WY1: asked for when somebody wants to know, and again when the value has changed under their eyes.
import { getJson, profilePath } from './api.js';
import { reckon } from './adds_up.js';
import { setTime, setUntil, timeNode, untilNode } from './clock.js';
import { fill, h, keyedList, setProps, setText } from './dom.js';
import { alignedText, countText, exactText, isTime, valueText } from './format.js';
import { errorNode, loadingNode } from './states.js';
import { timeline } from './timeline.js';

/** @import { Explanation, ExplainedEvent } from '../profile/explanation.ts' */
/** @import { AttributeDefinition } from './definitions.js' */

const LIMIT = 200;

/** @typedef {{ readonly namespace: string, readonly id: string, readonly name: string, readonly definition: AttributeDefinition,
 *   readonly signal: AbortSignal, readonly shade: (dataset: string) => string, readonly onInput: (name: string) => void }} WhyOptions */

/** What is inside of an opened row. */
export class Why {
  node;
  #options;
  #list = h('div', { class: 'why-list' });
  #isAsking = false;
  #askAgain = 0;
  /** @type {ReturnType<typeof eventTable> | undefined} */
  #table;

  /** @param {WhyOptions} options */
  constructor(options) {
    this.#options = options;
    this.node = h('div', { class: 'why' }, ...aboutNodes(options.definition), this.#list);
    fill(this.#list, loadingNode(3, 'Asking why'));
  }

  /** With everything up to this sequence in it. What is asked for meanwhile is asked for once, afterwards. @param {number} after */
  async ask(after) {
    if (this.#isAsking) {
      this.#askAgain = Math.max(this.#askAgain, after);
      return;
    }
    this.#isAsking = true;
    const { namespace, id, name, signal } = this.#options;
    try {
      const path = `${profilePath(namespace, id)}/explain/${encodeURIComponent(`computed.${name}`)}`;
      const query = { limit: LIMIT, ...(after > 0 ? { after } : {}) };
      /** @type {Explanation} */
      const explanation = await getJson(path, { query, signal, slow: true });
      this.#show(explanation);
    } catch (error) {
      if (signal.aborted) return;
      this.#table = undefined;
      fill(
        this.#list,
        errorNode(error, () => void this.ask(after)),
      );
    } finally {
      this.#isAsking = false;
    }
    if (this.#askAgain > after) {
      const next = this.#askAgain;
      this.#askAgain = 0;
      await this.ask(next);
    }
  }

  /** @param {Explanation} explanation */
  #show(explanation) {
    if (explanation.inputs !== undefined) return fill(this.#list, inputTable(explanation, this.#options));
    if (this.#table === undefined) {
      this.#table = eventTable(this.#options);
      fill(this.#list, this.#table.node);
    }
    this.#table.update(explanation);
  }
}

/** What the definitions say about it. @param {AttributeDefinition} definition */
function aboutNodes({ eventTypes, filter, value, expression }) {
  const parts = [
    ...(expression === undefined ? [] : ['It is ', h('code', {}, expression), '.']),
    ...(expression !== undefined ? [] : ['Of ', ...typeNodes(eventTypes)]),
    ...(filter === undefined ? [] : [' where ', h('code', {}, filter)]),
    ...(value === undefined ? [] : [' it takes ', h('code', {}, value)]),
    ...(expression !== undefined ? [] : ['.']),
  ];
  return [h('p', { class: 'why-about' }, ...parts)];
}

/** @param {readonly string[] | undefined} types */
function typeNodes(types) {
  if (types === undefined) return ['every event'];
  return ['events ', ...types.flatMap((type, n) => [...(n === 0 ? [] : [', ']), h('code', {}, type)])];
}

/** @param {WhyOptions} options */
function eventTable({ name, shade, signal }) {
  const body = h('tbody');
  const strip = timeline(signal);
  const total = h('td', { class: 'number total', 'data-total': true });
  const how = h('th', { scope: 'row', class: 'total-how' });
  const verdict = h('p', { class: 'verdict' });
  const remarks = h('p', { class: 'fine' });
  const none = h('p', { class: 'why-none' }, 'No event counts just now.');
  const caption = h('caption', { class: 'unseen' }, `The events that count for ${name}`);
  const heads = [
    h('th', { scope: 'col' }, 'Event'),
    h('th', { scope: 'col' }, 'Dataset'),
    h('th', { scope: 'col' }, 'Time'),
    h('th', { scope: 'col', class: 'leaves' }, 'Leaves'),
    h('th', { scope: 'col', class: 'number' }, 'Value'),
  ];
  const foot = h('tfoot', {}, h('tr', {}, how, h('td', { class: 'leaves' }), total));
  setProps(how, { colspan: 3 });
  const table = h('table', { class: 'events-table' }, caption, h('thead', {}, h('tr', {}, ...heads)), body, foot);
  let text = valueText;
  /** @type {(events: readonly ExplainedEvent[]) => void} */
  const rows = keyedList(body, {
    key: ({ dataset, sequence }) => `${dataset} ${sequence}`,
    make: (event) => eventRow(event, shade),
    update: (row, event) => {
      row.classList.toggle('decides', event.decides === true);
      const [, , time, leaves, value] = row.children;
      setTime(/** @type {HTMLTimeElement} */ (time?.firstChild), event.timestamp);
      if (event.leavesAt !== undefined) setUntil(/** @type {HTMLTimeElement} */ (leaves?.firstChild), event.leavesAt);
      if (value !== undefined) setText(value, event.value === undefined ? '' : text(event.value));
    },
  });
  return {
    node: h(
      'div',
      {},
      strip.node,
      h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': `Events of ${name}` }, table),
      none,
      verdict,
      remarks,
    ),
    /** @param {Explanation} explanation */
    update(explanation) {
      const { events, value } = explanation;
      const reckoning = reckon(explanation);
      text = alignedText([...events.map((event) => event.value), value]);
      rows(events);
      strip.update(explanation);
      setText(how, `${countText(events.length, 'event')}, ${reckoning.text}`);
      setText(total, reckoning.result === undefined ? '—' : text(reckoning.result));
      setProps(total, { title: exactText(reckoning.result) });
      setProps(table, { hidden: events.length === 0 });
      setProps(none, { hidden: events.length > 0 });
      setProps(verdict, { 'data-verdict': reckoning.verdict });
      setText(verdict, verdictText(explanation, reckoning.verdict, text));
      setText(remarks, remarksOf(explanation).join(' '));
      setProps(remarks, { hidden: remarksOf(explanation).length === 0 });
    },
  };
}

/** @param {ExplainedEvent} event @param {(dataset: string) => string} shade */
function eventRow({ _id, dataset, timestamp, value, leavesAt, decides, sequence }, shade) {
  return h(
    'tr',
    { class: decides === true ? 'decides' : '' },
    h('th', { scope: 'row', class: 'event-id', title: `${_id}, sequence ${sequence}` }, _id),
    h('td', {}, h('span', { class: `dataset ${shade(dataset)}` }, dataset)),
    h('td', {}, timeNode(timestamp)),
    h('td', { class: 'leaves' }, leavesAt === undefined ? '' : untilNode(leavesAt)),
    h('td', { class: 'number', title: exactText(value) }, valueText(value)),
  );
}

/** @param {Explanation} explanation @param {string} verdict @param {(value: unknown) => string} text */
function verdictText({ value, time }, verdict, text) {
  const shown = value === undefined ? 'no value' : text(value);
  const asOf = isTime(time) ? valueText(time) : time;
  if (verdict === 'same') return `That is the value: ${shown}, as of ${asOf}.`;
  if (verdict === 'other') return `The value is ${shown}, as of ${asOf}: this list does not come to it.`;
  return `The value is ${shown}, as of ${asOf}.`;
}

/** @param {Explanation} explanation */
function remarksOf({ truncated, counted, events, agedOut, missing, precision, since }) {
  return [
    ...(truncated === true ? [`${countText(counted, 'event')} count; ${events.length} are listed.`] : []),
    ...(agedOut === undefined ? [] : [`${countText(agedOut, 'event')} past their time to live count and are not listed.`]),
    ...(missing === undefined ? [] : [`Not whole: ${missing}.`]),
    ...(precision === undefined
      ? []
      : [precision.mode === 'tiled' ? `Not exact: the window's start is off by at most ${precision.hop}.` : 'Estimated.']),
    ...(since === undefined ? [] : [`It counts what came after ${valueText(since)}.`]),
  ];
}

/** Of an expression: the attributes that it names. @param {Explanation} explanation @param {WhyOptions} options */
function inputTable({ inputs = {}, field }, { onInput }) {
  const entries = Object.entries(inputs);
  if (entries.length === 0) return h('p', { class: 'why-none' }, 'It names no other attribute: it reads fields of the records.');
  const rows = entries.map(([name, { value, nextChangeAt }]) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, h('button', { type: 'button', class: 'link', onclick: () => onInput(name) }, name)),
      h('td', { class: 'leaves' }, nextChangeAt === undefined ? '' : untilNode(nextChangeAt)),
      h('td', { class: 'number', title: exactText(value) }, value === undefined ? 'no value' : valueText(value)),
    ),
  );
  const caption = h('caption', { class: 'unseen' }, `What ${field} is made from`);
  const heads = [
    h('th', { scope: 'col' }, 'Made from'),
    h('th', { scope: 'col', class: 'leaves' }, 'Changes'),
    h('th', { scope: 'col', class: 'number' }, 'Value'),
  ];
  return h('table', { class: 'events-table' }, caption, h('thead', {}, h('tr', {}, ...heads)), h('tbody', {}, ...rows));
}
