// What the address says after its `#`: `#/profile/<namespace>/<id>?policy=<name>`, `#/fields`, `#/definitions`, `#/shards`, `#/`.
// RT1: a place and its address say the same: `routeOf(hashOf(route))` is the route.

/** @typedef {{ readonly page: 'home' | 'fields' | 'definitions' | 'shards' }
 *   | { readonly page: 'profile', readonly namespace: string, readonly id: string, readonly policy: string | null }} Route */

const PAGES = /** @type {const} */ (['fields', 'definitions', 'shards']);

/** What is no address leads home. @param {string} hash @returns {Route} */
export function routeOf(hash) {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [page, namespace, id, ...more] = path.split('/');
  if (page === 'profile' && namespace && id && more.length === 0) {
    try {
      const named = { namespace: decodeURIComponent(namespace), id: decodeURIComponent(id) };
      return { page: 'profile', ...named, policy: new URLSearchParams(query).get('policy') };
    } catch {
      return { page: 'home' }; // what is no encoding names nobody
    }
  }
  return { page: PAGES.find((known) => known === path) ?? 'home' };
}

/** @param {Route} route */
export function hashOf(route) {
  if (route.page === 'home') return '#/';
  if (route.page !== 'profile') return `#/${route.page}`;
  const query = route.policy === null ? '' : `?${new URLSearchParams({ policy: route.policy })}`;
  return `#/profile/${encodeURIComponent(route.namespace)}/${encodeURIComponent(route.id)}${query}`;
}
