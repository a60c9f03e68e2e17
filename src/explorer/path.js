// Paths into a profile, written as change events and explanations write them.

const PLAIN_KEY = /^[A-Za-z0-9_$@:-]+$/;

/** `person.name.firstName`; a key with any other character stands in brackets: `emails["ada@x.y"]`. @param {readonly string[]} path */
export function pathText(path) {
  return path.reduce((text, key) => {
    if (!PLAIN_KEY.test(key)) return `${text}[${JSON.stringify(key)}]`;
    return text === '' ? key : `${text}.${key}`;
  }, '');
}

/** A place in a tree. A leaf is what is no object, or an object without keys.
 *  @typedef {{ readonly path: string, readonly key: string, readonly depth: number, readonly leaf: boolean, readonly value: unknown }} Place */

/** Every place below the root, parents before their children. @param {Readonly<Record<string, unknown>>} root @param {string} name @returns {Place[]} */
export function placesOf(root, name) {
  /** @type {Place[]} */
  const places = [];
  /** @param {Readonly<Record<string, unknown>>} object @param {readonly string[]} above */
  const walk = (object, above) => {
    for (const [key, value] of Object.entries(object)) {
      const path = [...above, key];
      const leaf = !isObject(value) || Object.keys(value).length === 0;
      places.push({ path: pathText(path), key, depth: above.length - 1, leaf, value });
      if (!leaf) walk(/** @type {Readonly<Record<string, unknown>>} */ (value), path);
    }
  };
  walk(root, [name]);
  return places;
}

/** @param {unknown} value @returns {value is Readonly<Record<string, unknown>>} */
export function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
