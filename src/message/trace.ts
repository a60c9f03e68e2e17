// The trace that a message belongs to: W3C Trace Context in its headers, `traceparent` and `tracestate`.
// TC1: what is not well formed is no trace; nothing is refused for it. TC2: it is shown, never part of what a change is: no digest has it.
import type { LogMessage } from './log_message.ts';

/** `state` is for whoever traces; it may be absent. */
export type Trace = { readonly parent: string; readonly state: string | null };

const PARENT_HEADER = 'traceparent';
const STATE_HEADER = 'tracestate';
/** `NATS/1.0␍␊traceparent:<55 characters>␍␊␍␊`: fewer bytes of headers have none. A producer's own message id alone is shorter: the usual
 *  message is told by this number, and its headers are not read. */
const HEADER_BYTES_MIN = 10 + 12 + 55 + 4;
const PARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
/** What the standard asks everybody to carry at least, and no more: every change event would carry it. */
const STATE_MAX = 512;
const STATE = /^[\x20-\x7e]+$/;

/** Null: it has none. @throws never  Cost: a comparison for a message with short headers, else reading them, about 1.5 µs */
export function traceOf(message: LogMessage): Trace | null {
  if (message.headers === null || (message.headerBytes ?? Infinity) < HEADER_BYTES_MIN) return null;
  let parent = '';
  let state = '';
  try {
    for (const [name, value] of Object.entries(message.headers())) {
      const lower = name.toLowerCase();
      if (lower === PARENT_HEADER) parent = value.trim();
      else if (lower === STATE_HEADER) state = value.trim();
    }
  } catch {
    return null; // the server stores any bytes as headers
  }
  return wellFormed(parent, state);
}

/** The headers by which a message belongs to the trace of the HTTP request that brings it; none when that has no trace. */
export function traceHeaders(
  request: Readonly<Record<string, string | readonly string[] | undefined>>,
): Readonly<Record<string, string>> {
  const [parent, state] = [request[PARENT_HEADER], request[STATE_HEADER]];
  const trace = wellFormed(typeof parent === 'string' ? parent.trim() : '', typeof state === 'string' ? state.trim() : '');
  if (trace === null) return {};
  return { [PARENT_HEADER]: trace.parent, ...(trace.state === null ? {} : { [STATE_HEADER]: trace.state }) };
}

function wellFormed(parent: string, state: string): Trace | null {
  if (!PARENT.test(parent)) return null;
  return { parent, state: state.length <= STATE_MAX && STATE.test(state) ? state : null };
}
