// What the page asks its worker for. AP1: nobody else is ever asked; addresses are relative to the page.
// AP2: the token is kept for this tab only, and goes out as a header, never in an address.

/** @typedef {{ readonly policy?: string | null, readonly [name: string]: string | number | null | undefined }} Query */

const TOKEN = 'visage.token';
const READ_MS = 15_000;
/** The worker reads the log for these, which may take it up to 30 s. */
const LOG_MS = 45_000;
/** A clock that is off by less is not put right: the header has whole seconds. */
const CLOCK_MS = 2_000;

let offsetMs = 0;
let reachable = true;

/** `reachable`: whether the worker answers has changed. `unauthorized`: it wants a token, or another one. */
export const worker = new EventTarget();

/** The worker said no. */
export class Problem extends Error {
  /** @param {{ status: number, code: string, detail: string, requestId?: string | undefined }} said */
  constructor({ status, code, detail, requestId }) {
    super(detail);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
  }

  /** Asking again may help. */
  get passes() {
    return this.status === 429 || this.status >= 500;
  }
}

/** There was no answer. */
export class Unreachable extends Error {}

/** Now, as the worker's machine has it. */
export function workerNowMs() {
  return Date.now() + offsetMs;
}

export function isReachable() {
  return reachable;
}

/** @param {boolean} now */
export function setReachable(now) {
  if (now === reachable) return;
  reachable = now;
  worker.dispatchEvent(new Event('reachable'));
}

export function hasToken() {
  return sessionStorage.getItem(TOKEN) !== null;
}

/** @param {string | null} token */
export function setToken(token) {
  if (token === null) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, token);
}

/** @param {string} namespace @param {string} id */
export function profilePath(namespace, id) {
  return `profiles/${encodeURIComponent(namespace)}/${encodeURIComponent(id)}`;
}

/** @template T @param {string} path @param {{ query?: Query, signal?: AbortSignal, slow?: boolean }} [options] @returns {Promise<T>}
 *  @throws Problem, Unreachable */
export async function getJson(path, { query = {}, signal, slow = false } = {}) {
  const timeout = AbortSignal.timeout(slow ? LOG_MS : READ_MS);
  const response = await request(path, { query, signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) });
  try {
    return /** @type {T} */ (await response.json());
  } catch {
    throw new Unreachable('the answer broke off');
  }
}

/** An answer whose body is still to be read. @param {string} path
 *  @param {{ query?: Query, signal?: AbortSignal, headers?: Record<string, string> }} options */
export async function request(path, { query = {}, signal, headers = {} }) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
  const token = sessionStorage.getItem(TOKEN);
  const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
  /** @type {Response} */
  let response;
  try {
    response = await fetch(url, { headers: { ...headers, ...authorization }, cache: 'no-store', ...(signal && { signal }) });
  } catch (cause) {
    if (signal?.aborted !== true || signal.reason?.name === 'TimeoutError') setReachable(false);
    throw new Unreachable('the worker does not answer', { cause });
  }
  setReachable(true);
  setClock(response.headers.get('date'));
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401) worker.dispatchEvent(new Event('unauthorized'));
  throw problem;
}

/** @param {Response} response */
async function problemOf(response) {
  const said = await response.json().catch(() => ({}));
  return new Problem({
    status: response.status,
    code: String(said.code ?? 'unknown'),
    detail: String(said.detail ?? `the worker answered with ${response.status}`),
    requestId: said.requestId === undefined ? undefined : String(said.requestId),
  });
}

/** @param {string | null} date */
function setClock(date) {
  const aheadMs = Date.parse(date ?? '') + 500 - Date.now();
  if (Number.isFinite(aheadMs)) offsetMs = Math.abs(aheadMs) < CLOCK_MS ? 0 : aheadMs;
}
