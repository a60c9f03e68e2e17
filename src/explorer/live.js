// The changes of one profile, as they happen. LV1: after a break it goes on where it was; what cannot be had any more is said (`reset`).
// LV2: it ends with its signal, and only then, unless the worker has no such page.
import { Problem, profilePath, request, setReachable, worker } from './api.js';
import { EventParser } from './sse.js';

/** @typedef {{ readonly kind: 'connecting' | 'live' } | { readonly kind: 'waiting', readonly ms: number }
 *   | { readonly kind: 'never', readonly why: string }} LiveState */
/** A change event, as far as it is shown.
 *  @typedef {{ readonly id: string, readonly type: string, readonly time: string, readonly data: {
 *    readonly version: number, readonly previousVersion: number, readonly sequence: number,
 *    readonly cause?: readonly { readonly kind: string, readonly dataset?: string, readonly _id?: string, readonly operation?: string }[],
 *    readonly changes: readonly { readonly path: string, readonly before?: unknown, readonly after?: unknown }[],
 *    readonly audiences: { readonly entered: readonly string[], readonly exited: readonly string[] } } }} Change */

const FIRST_WAIT_MS = 500;
const WAIT_MS_MAX = 4_000;
/** The worker sends something at least every 15 s. */
const SILENCE_MS = 40_000;

/** @param {{ namespace: string, id: string, signal: AbortSignal, onState: (state: LiveState) => void,
 *  onChange: (change: Change) => void, onBegin: (version: number | null) => void, onReset: () => void }} options
 *  `onBegin`: what happens from now on is heard of; the profile has this version. */
export async function follow({ namespace, id, signal, onState, onChange, onBegin, onReset }) {
  const place = { last: /** @type {string | null} */ (null) };
  let waitMs = FIRST_WAIT_MS;
  while (!signal.aborted) {
    onState({ kind: 'connecting' });
    try {
      for await (const event of eventsOf(`${profilePath(namespace, id)}/changes`, place, signal)) {
        if (event.type === 'ready') {
          waitMs = FIRST_WAIT_MS;
          onState({ kind: 'live' });
          onBegin(JSON.parse(event.data).version ?? null);
        } else if (event.type === 'change') onChange(JSON.parse(event.data));
        else if (event.type === 'reset') onReset();
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && !error.passes) {
        onState({ kind: 'never', why: error.message });
        if (error.status !== 401) return;
        await anotherToken(signal);
        continue;
      }
    }
    if (signal.aborted) return;
    onState({ kind: 'waiting', ms: waitMs });
    await pause(waitMs, signal);
    waitMs = Math.min(WAIT_MS_MAX, waitMs * 2);
  }
}

/** `place.last`: behind which event it goes on. @param {string} path @param {{ last: string | null }} place @param {AbortSignal} signal */
async function* eventsOf(path, place, signal) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const headers = { accept: 'text/event-stream', ...(place.last === null ? {} : { 'last-event-id': place.last }) };
    const response = await request(path, { headers, signal: AbortSignal.any([signal, silence.signal]) });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        const events = parser.push(decoder.decode(value, { stream: true }));
        yield* events;
        place.last = parser.lastId ?? place.last; // they have been taken
      }
    } catch (error) {
      if (!signal.aborted) setReachable(false);
      throw error;
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Until somebody has given one, or the signal. @param {AbortSignal} signal @returns {Promise<void>} */
export function anotherToken(signal) {
  return new Promise((resolve) => {
    worker.addEventListener('token', () => resolve(), { once: true, signal });
    signal.addEventListener('abort', () => resolve());
    if (signal.aborted) resolve();
  });
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
