// Times on the page, and what goes with them second by second: how long until, how long ago.
import { workerNowMs } from './api.js';
import { h, setProps, setText } from './dom.js';
import { durationText, timeText } from './format.js';

const SECOND_MS = 1_000;

/** @type {Set<() => void>} */
const everySecond = new Set();

/** An instant: readable, and exact in its title. @param {string} at @returns {HTMLTimeElement} */
export function timeNode(at) {
  return h('time', { datetime: at, title: at }, timeText(at, workerNowMs()));
}

/** @param {HTMLTimeElement} node @param {string} at */
export function setTime(node, at) {
  setProps(node, { datetime: at, title: at });
  setText(node, timeText(at, workerNowMs()));
}

/** How long until an instant; goes on by itself. @param {string} at @returns {HTMLTimeElement} */
export function untilNode(at) {
  const node = h('time', { class: 'until' });
  setUntil(node, at);
  return node;
}

/** @param {HTMLTimeElement} node @param {string} at */
export function setUntil(node, at) {
  setProps(node, { datetime: at, title: at, 'data-until': Date.parse(at) });
  setText(node, untilText(Date.parse(at)));
}

/** @param {number} ms */
function untilText(ms) {
  const leftMs = ms - workerNowMs();
  return leftMs > 0 ? `in ${durationText(leftMs)}` : 'now';
}

/** Called every second until the signal. @param {() => void} act @param {AbortSignal} signal */
export function onSecond(act, signal) {
  everySecond.add(act);
  signal.addEventListener('abort', () => everySecond.delete(act));
}

export function startClock() {
  setInterval(() => {
    for (const node of document.querySelectorAll('[data-until]'))
      setText(node, untilText(Number(node.getAttribute('data-until'))));
    for (const act of everySecond) act();
  }, SECOND_MS);
}
