// Making and keeping elements. DM1: what comes from the worker becomes text or an attribute, never HTML.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** An attribute, or with `on…` a listener. What is undefined, null or false is left out.
 *  @typedef {Readonly<Record<string, string | number | boolean | null | undefined | ((event: any) => void)>>} Props */

const SVG = 'http://www.w3.org/2000/svg';
const FLASH_MS = 2_600;
const ANNOUNCE_MS = 400;

/** @template {keyof HTMLElementTagNameMap} T @param {T} tag @param {Props} [props] @param {...Child} children @returns {HTMLElementTagNameMap[T]} */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  setProps(node, props);
  append(node, children);
  return node;
}

/** @param {string} tag @param {Props} [props] @param {...Child} children @returns {SVGElement} */
export function svg(tag, props = {}, ...children) {
  const node = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  setProps(node, props);
  append(node, children);
  return node;
}

/** @param {Element} node @param {Props} props */
export function setProps(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') node.addEventListener(name.slice(2), value);
    else if (value === undefined || value === null || value === false) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
}

/** @param {Element} node @param {readonly Child[]} children */
function append(node, children) {
  for (const child of children) if (child !== null && child !== undefined && child !== false) node.append(nodeOf(child));
}

/** @param {Node | string | number} child */
function nodeOf(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/** Leaves it alone when it says that already: what somebody has selected stays selected. @param {Element} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} node @param {...Child} children */
export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
}

/** A list that keeps the element of an item for as long as the item is there, so that focus, selection and what is open stay.
 *  @template T
 *  @param {Element} parent
 *  @param {{ key: (item: T) => string, make: (item: T) => HTMLElement, update?: (node: HTMLElement, item: T) => void }} how
 *  @returns {(items: readonly T[]) => void} */
export function keyedList(parent, { key, make, update }) {
  /** @type {Map<string, HTMLElement>} */
  let known = new Map();
  return (items) => {
    const next = new Map(items.map((item) => [key(item), known.get(key(item)) ?? make(item)]));
    for (const [name, node] of known) if (!next.has(name)) node.remove();
    let at = 0;
    for (const item of items) {
      const node = /** @type {HTMLElement} */ (next.get(key(item)));
      if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
      update?.(node, item);
      at++;
    }
    known = next;
  };
}

/** It has just changed: seen for a moment. @param {Element} node */
export function flash(node) {
  node.classList.remove('changed');
  node.getBoundingClientRect(); // so that it begins anew
  node.classList.add('changed');
  const stamp = String(performance.now());
  node.setAttribute('data-changed', stamp);
  setTimeout(() => {
    if (node.getAttribute('data-changed') === stamp) node.classList.remove('changed');
  }, FLASH_MS);
}

/** @type {string[]} */
let toSay = [];

/** For who does not see the page. What comes together is said together. @param {string} text */
export function announce(text) {
  if (toSay.length === 0) {
    setTimeout(() => {
      const region = document.getElementById('said');
      if (region !== null) region.textContent = toSay.slice(-4).join('. ');
      toSay = [];
    }, ANNOUNCE_MS);
  }
  toSay.push(text);
}

/** A button that shows and hides what it controls. @param {HTMLElement} button @param {boolean} open */
export function setOpen(button, open) {
  button.setAttribute('aria-expanded', String(open));
}

let ids = 0;

/** For what refers to another element. @param {string} word */
export function freshId(word) {
  return `${word}-${++ids}`;
}
