// The explorer: one page that reads a worker. Everything on it comes from the worker that it came from.
// MN1: a view lives from its address to the next one; its signal ends whatever it has begun.
import { hasToken, isReachable, setToken, worker } from './api.js';
import { startClock } from './clock.js';
import { announce, setProps, setText } from './dom.js';
import { definitionsView } from './definitions_view.js';
import { fieldsView } from './fields_view.js';
import { startFind } from './find.js';
import { homeView } from './home_view.js';
import { profileView } from './profile_view.js';
import { routeOf } from './route.js';
import { shardsView } from './shards_view.js';
import { startTheme } from './theme.js';

/** @import { Route } from './route.js' */

/** @template {HTMLElement} T @param {string} id @param {new () => T} type @returns {T} */
function part(id, type) {
  const node = document.getElementById(id);
  if (node instanceof type) return node;
  throw new Error(`the page has no ${id}`);
}

const main = part('main', HTMLElement);
const bar = part('bar', HTMLElement);
const tokenForm = part('token-form', HTMLFormElement);
const tokenInput = part('token', HTMLInputElement);
const find = startFind({
  form: part('find', HTMLFormElement),
  namespace: part('namespace', HTMLSelectElement),
  id: part('id', HTMLInputElement),
});

let leaving = new AbortController();
/** @type {{ route: Route, setPolicy?: (policy: string | null) => boolean } | undefined} */
let here;

function go() {
  const route = routeOf(location.hash);
  if (here !== undefined && isSameProfile(here.route, route) && here.setPolicy?.(route.policy) === true) return;
  const isFirst = here === undefined;
  leaving.abort();
  leaving = new AbortController();
  here = { route };
  setProps(document.body, { 'data-page': route.page });
  for (const link of document.querySelectorAll('nav a'))
    setProps(link, {
      'aria-current': link.getAttribute('data-page') === (route.page === 'profile' ? 'home' : route.page) ? 'page' : null,
    });
  const setPolicy = show(route, leaving.signal);
  if (setPolicy !== undefined) here.setPolicy = setPolicy;
  if (isFirst) return;
  scrollTo(0, 0);
  main.querySelector('h1')?.focus({ preventScroll: true });
}

/** By another policy, maybe. @param {Route} one @param {Route} other @returns {other is Route & { page: 'profile' }} */
function isSameProfile(one, other) {
  return one.page === 'profile' && other.page === 'profile' && one.namespace === other.namespace && one.id === other.id;
}

/** @param {Route} route @param {AbortSignal} signal */
function show(route, signal) {
  switch (route.page) {
    case 'profile':
      find.show(route.namespace, route.id);
      return profileView(main, route, signal);
    case 'fields':
      return void fieldsView(main, signal);
    case 'definitions':
      return void definitionsView(main, signal);
    case 'shards':
      return void shardsView(main, signal);
    case 'home':
      return void homeView(main, signal);
  }
}

worker.addEventListener('reachable', () => {
  setProps(bar, { hidden: isReachable() });
  setText(
    bar,
    isReachable() ? '' : 'The worker does not answer. What you see is what it said last; it is asked again all the time.',
  );
  announce(isReachable() ? 'The worker answers again' : 'The worker does not answer');
});

worker.addEventListener('unauthorized', () => {
  setText(part('token-said', HTMLElement), hasToken() ? 'The worker does not take this token.' : 'This worker asks for a token.');
  if (!tokenForm.hidden) return;
  tokenForm.hidden = false;
  tokenInput.focus();
});

tokenForm.addEventListener('submit', (event) => {
  event.preventDefault();
  setToken(tokenInput.value === '' ? null : tokenInput.value.trim());
  tokenInput.value = '';
  tokenForm.hidden = true;
  worker.dispatchEvent(new Event('token'));
  main.querySelector('h1')?.focus({ preventScroll: true });
});

part('skip', HTMLAnchorElement).addEventListener('click', (event) => {
  event.preventDefault(); // the address is for the views
  main.focus();
});

startTheme(part('theme', HTMLButtonElement));
startClock();
addEventListener('hashchange', go);
go();
