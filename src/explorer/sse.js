// Server-sent events out of the text of an answer. EventSource would do, but it sends no headers, and the token is one.

/** @typedef {{ readonly type: string, readonly data: string }} ServerEvent */

/** Takes text as it comes, in any pieces, and hands out whole events. */
export class EventParser {
  /** Where to go on after a break: the last id, also one that came without an event. @type {string | null} */
  lastId = null;
  #rest = '';
  /** @type {string[]} */
  #data = [];
  #type = '';
  /** @type {string | null} */
  #id = null;

  /** @param {string} text @returns {ServerEvent[]} */
  push(text) {
    /** @type {ServerEvent[]} */
    const events = [];
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  /** @param {string} line @returns {ServerEvent | undefined} */
  #line(line) {
    if (line === '') {
      const event = { type: this.#type || 'message', data: this.#data.join('\n') };
      const isEvent = this.#data.length > 0;
      this.#data = [];
      this.#type = '';
      if (this.#id !== null) this.lastId = this.#id;
      return isEvent ? event : undefined;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return undefined; // a comment: the worker shows that it is there
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#type = value;
    else if (field === 'id') this.#id = value;
    return undefined;
  }
}
