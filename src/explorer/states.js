// What is shown while there is nothing to show: loading, empty, failed.
import { Problem, Unreachable } from './api.js';
import { fill, h } from './dom.js';
import { anotherToken, pause } from './live.js';

const AGAIN_MS = 1_500;

/** @param {number} lines @param {string} [what] */
export function loadingNode(lines, what = 'Loading') {
  const rows = Array.from({ length: lines }, () => h('span', { class: 'bone' }));
  return h('div', { class: 'loading', role: 'status' }, h('span', { class: 'unseen' }, what), ...rows);
}

/** @param {string} title @param {...import('./dom.js').Child} text */
export function emptyNode(title, ...text) {
  return h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title), h('p', {}, ...text));
}

/** @param {unknown} error @param {() => void} again */
export function errorNode(error, again) {
  const about = error instanceof Problem ? `${error.status} ${error.code}` : '';
  const request = error instanceof Problem && error.requestId !== undefined ? `request ${error.requestId}` : '';
  return h(
    'div',
    { class: 'error', role: 'alert' },
    h('p', { class: 'error-title' }, titleOf(error)),
    h('p', {}, error instanceof Error ? sentence(error.message) : 'Something went wrong.'),
    h('p', { class: 'fine' }, [about, request].filter((text) => text !== '').join(' · ')),
    h('button', { type: 'button', class: 'quiet', onclick: again }, 'Try again'),
  );
}

/** @param {unknown} error */
function titleOf(error) {
  if (error instanceof Unreachable) return 'The worker does not answer';
  if (!(error instanceof Problem)) return 'This page has a mistake';
  if (error.status === 401) return 'A token is needed';
  if (error.status === 403) return error.code === 'missing_scope' ? 'This token may not read this' : 'Not allowed';
  if (error.status === 404) return 'Not found';
  return error.passes ? 'Not just now' : 'That cannot be read';
}

/** @param {string} text */
export function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

/** Loads, and shows what came or why nothing did; what passes by itself is tried again by itself.
 *  @template T
 *  @param {HTMLElement} place
 *  @param {{ lines?: number, signal: AbortSignal, load: () => Promise<T>, show: (found: T) => void, failed?: (error: unknown) => boolean }} how
 *  `failed`: true when it has shown the failure itself */
export async function loadInto(place, { lines = 5, signal, load, show, failed = () => false }) {
  fill(place, loadingNode(lines));
  let said = '';
  let press = () => {};
  for (;;) {
    try {
      const found = await load();
      if (!signal.aborted) show(found);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (failed(error)) return;
      const asked = new AbortController();
      press = () => asked.abort();
      if (said !== String(error)) {
        // only what is new: who is on its button stays there
        said = String(error);
        fill(
          place,
          errorNode(error, () => press()),
        );
        if (!(error instanceof Unreachable || error instanceof Problem)) console.error(error);
      }
      const passes = error instanceof Unreachable || (error instanceof Problem && error.passes);
      await untilAgain(passes, asked.signal, signal);
      if (signal.aborted) return;
    }
  }
}

/** @param {boolean} passes @param {AbortSignal} asked @param {AbortSignal} signal */
async function untilAgain(passes, asked, signal) {
  const either = AbortSignal.any([asked, signal]);
  if (passes) return pause(AGAIN_MS, either);
  await anotherToken(either);
}
