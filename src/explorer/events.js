// A profile's recent events, newest first, page by page. EV1: the first page is asked for again when something has happened, not more
// often than every few seconds: the worker reads the log for it.
import { getJson, Problem, profilePath, Unreachable } from './api.js';
import { timeNode } from './clock.js';
import { fill, freshId, h, keyedList, setOpen, setProps, setText } from './dom.js';
import { exactText, numberText, valueText } from './format.js';
import { pause } from './live.js';
import { pathText } from './path.js';
import { errorNode, loadingNode, sentence } from './states.js';

/** @import { EventsPage, ListedEvent } from '../profile/events_page.ts' */

const LIMIT = 20;
const REST_MS = 2_000;
const FACTS_MAX = 3;
/** What every event has says nothing about this one. */
const COMMON = ['_id', 'timestamp', 'eventType', 'identityMap'];

/** @param {{ namespace: string, id: string, signal: AbortSignal, shade: (dataset: string) => string }} options */
export function eventsSection({ namespace, id, signal, shade }) {
  const list = h('ul', { class: 'rows event-rows', 'aria-label': 'Recent events' });
  const state = h('div', {});
  const remark = h('p', { class: 'fine', hidden: true });
  const more = h('button', { type: 'button', class: 'quiet', hidden: true, onclick: () => void nextPage() }, 'Earlier events');
  const show = keyedList(list, {
    key: (/** @type {ListedEvent} */ { dataset, sequence }) => `${dataset} ${sequence}`,
    make: (event) => eventNode(event, shade),
  });
  /** @type {ListedEvent[]} */
  let events = [];
  /** @type {string | null} */
  let next = null;
  let pages = 0;
  let isReading = false;
  let isResting = false;
  let wanted = 0;

  /** @param {string | null} page @param {number} after */
  const read = (page, after) =>
    /** @type {Promise<EventsPage>} */ (
      getJson(`${profilePath(namespace, id)}/events`, {
        query: { order: 'desc', limit: LIMIT, page, ...(after > 0 ? { after } : {}) },
        signal,
        slow: true,
      })
    );

  /** @param {EventsPage} page @param {ListedEvent[]} all */
  const shown = (page, all) => {
    events = all;
    next = page.next;
    show(events);
    fill(state, events.length > 0 ? null : h('p', { class: 'none' }, 'No events yet.'));
    setProps(more, { hidden: next === null });
    setProps(remark, { hidden: page.missing === undefined });
    setText(remark, sentence(page.missing ?? ''));
  };

  const nextPage = async () => {
    if (next === null || isReading) return;
    isReading = true;
    setProps(more, { 'aria-busy': 'true' });
    try {
      const page = await read(next, 0);
      pages++;
      shown(page, [...events, ...page.events]);
    } catch (error) {
      if (!signal.aborted)
        fill(
          state,
          errorNode(error, () => void nextPage()),
        );
    } finally {
      isReading = false;
      setProps(more, { 'aria-busy': null });
    }
  };

  /** With everything up to this sequence in it. @param {number} after */
  const refresh = async (after) => {
    wanted = Math.max(wanted, after);
    if (isReading || isResting || pages > 1) return; // who reads further back is not disturbed
    const asked = wanted;
    let isMissed = false;
    isReading = isResting = true;
    try {
      const page = await read(null, asked);
      pages = 1;
      shown(page, [...page.events]);
    } catch (error) {
      isMissed = error instanceof Unreachable || (error instanceof Problem && error.passes);
      if (!signal.aborted && events.length === 0)
        fill(
          state,
          errorNode(error, () => void refresh(0)),
        );
    } finally {
      isReading = false;
    }
    await pause(REST_MS, signal);
    isResting = false;
    if ((wanted > asked || isMissed) && !signal.aborted) await refresh(wanted);
  };

  fill(state, loadingNode(4, 'Loading events'));
  return { node: h('div', {}, list, state, remark, more), refresh };
}

/** @param {ListedEvent} event @param {(dataset: string) => string} shade */
function eventNode({ _id, dataset, timestamp, eventType, sequence, event }, shade) {
  const id = freshId('payload');
  const panel = h('pre', { id, class: 'payload', hidden: true, tabindex: 0 });
  const button = h(
    'button',
    {
      type: 'button',
      class: 'event-button',
      'aria-expanded': 'false',
      'aria-controls': id,
      onclick: () => {
        panel.hidden = !panel.hidden;
        setOpen(button, !panel.hidden);
        if (!panel.hidden) setText(panel, JSON.stringify(event, null, 2));
      },
    },
    h('span', { class: 'event-type' }, eventType),
    h('span', { class: 'facts' }, factsOf(event).join(' · ')),
    h('span', { class: `dataset ${shade(dataset)}` }, dataset),
    timeNode(timestamp),
  );
  return h('li', { class: 'event', title: `${_id}, sequence ${numberText(sequence)}` }, button, panel);
}

/** The first few values in it, by the last word of their path. @param {Readonly<Record<string, unknown>>} event @returns {string[]} */
function factsOf(event) {
  /** @type {string[]} */
  const facts = [];
  /** @param {unknown} value @param {readonly string[]} path */
  const look = (value, path) => {
    if (facts.length >= FACTS_MAX) return;
    if (typeof value === 'object' && value !== null) {
      if (!Array.isArray(value)) for (const [key, each] of Object.entries(value)) look(each, [...path, key]);
    } else if (path.length > 0)
      facts.push(`${pathText(path.slice(-1))} ${typeof value === 'string' ? exactText(value) : valueText(value)}`);
  };
  for (const [key, value] of Object.entries(event)) if (!COMMON.includes(key)) look(value, [key]);
  return facts;
}
