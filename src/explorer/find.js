// The form that finds a profile; on every page, and the same one, so that what is typed stays.
import { isReachable, Problem, worker } from './api.js';
import { liveDefinitions } from './definitions.js';
import { fill, h } from './dom.js';
import { anotherToken, pause } from './live.js';
import { hashOf } from './route.js';

const AGAIN_MS = 2_000;
const forever = new AbortController().signal;

/** @param {{ form: HTMLFormElement, namespace: HTMLSelectElement, id: HTMLInputElement }} parts */
export function startFind({ form, namespace, id }) {
  /** Chosen before the namespaces were known. */
  let chosen = '';
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (id.value === '' || namespace.value === '') return id.focus();
    location.hash = hashOf({ page: 'profile', namespace: namespace.value, id: id.value, policy: null });
  });
  document.addEventListener('keydown', (event) => {
    const { target } = event;
    const isTyping =
      target instanceof HTMLInputElement || target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
    if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    id.focus();
    id.select();
  });
  /** @param {readonly string[]} names */
  const offer = (names) => {
    const all = chosen === '' || names.includes(chosen) ? names : [...names, chosen];
    const now = chosen === '' ? namespace.value : chosen;
    fill(namespace, ...all.map((name) => h('option', { value: name, selected: name === now }, name)));
  };
  const load = async () => {
    for (;;) {
      try {
        const { definitions } = await liveDefinitions(forever);
        const byPriority = Object.entries(definitions.namespaces).sort(([, a], [, b]) => a.priority - b.priority);
        return offer(byPriority.map(([name]) => name));
      } catch (error) {
        // the page itself says what is the matter
        if (error instanceof Problem && !error.passes) await anotherToken(forever);
        else await pause(AGAIN_MS, forever);
      }
    }
  };
  let loading = load();
  worker.addEventListener('reachable', () => {
    // definitions may be others by now
    if (isReachable()) loading = loading.then(load);
  });
  return {
    /** What is being looked at. @param {string} name @param {string} text */
    show(name, text) {
      chosen = name;
      offer([...namespace.options].map(({ value }) => value).filter((value) => value !== ''));
      namespace.value = name;
      id.value = text;
    },
  };
}
