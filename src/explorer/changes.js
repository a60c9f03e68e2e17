// What has changed while one was looking: each change event with what caused it.
import { timeNode } from './clock.js';
import { h, keyedList, setProps } from './dom.js';
import { exactText, valueText } from './format.js';

/** @import { Change } from './live.js' */

const KEPT_MAX = 30;
const LEAVES_MAX = 12;

export function changesSection() {
  const list = h('ol', { class: 'changes', 'aria-label': 'Changes since you came' });
  const none = h('p', { class: 'none' }, 'Nothing has changed since you came. It appears here as it happens.');
  const show = keyedList(list, { key: (/** @type {Change} */ { id }) => id, make: changeNode });
  /** @type {Change[]} */
  let kept = [];
  return {
    node: h('div', { class: 'changes-box', tabindex: 0, role: 'group', 'aria-label': 'Changes' }, list, none),
    /** @param {Change} change */
    add(change) {
      kept = [change, ...kept.filter(({ id }) => id !== change.id)].slice(0, KEPT_MAX);
      show(kept);
      setProps(none, { hidden: true });
    },
  };
}

/** @param {Change} change */
function changeNode({ time, type, data: { changes, audiences, cause = [] } }) {
  const rows = changes
    .slice(0, LEAVES_MAX)
    .map(({ path, before, after }) =>
      h(
        'li',
        {},
        h('span', { class: 'change-path', title: path }, path.replace(/^(computed|attributes)\./, '')),
        h('span', { class: 'before', title: exactText(before) }, before === undefined ? 'nothing' : valueText(before)),
        h('span', { class: 'arrow' }, '→'),
        h('span', { class: 'after', title: exactText(after) }, after === undefined ? 'nothing' : valueText(after)),
      ),
    );
  const moved = [...audiences.entered.map((name) => `enters ${name}`), ...audiences.exited.map((name) => `leaves ${name}`)];
  return h(
    'li',
    { class: 'change' },
    h('p', { class: 'change-head' }, timeNode(time), h('span', {}, causeText(cause, type))),
    h('ul', {}, ...rows),
    changes.length > LEAVES_MAX ? h('p', { class: 'fine' }, `and ${changes.length - LEAVES_MAX} more`) : null,
    moved.length === 0 ? null : h('p', { class: 'moved' }, moved.join(' · ')),
  );
}

/** @param {readonly { readonly kind: string, readonly dataset?: string, readonly _id?: string, readonly operation?: string }[]} causes @param {string} type */
function causeText(causes, type) {
  if (type.endsWith('.deleted')) return 'the profile was deleted';
  const texts = causes.map(({ kind, dataset, _id, operation }) => {
    if (kind === 'expiry') return 'time has passed';
    if (kind === 'event') return `event ${_id} of ${dataset}`;
    if (kind === 'record') return `${operation} of a record of ${dataset}`;
    return kind === 'definitions' ? 'new definitions' : `${kind}${dataset === undefined ? '' : ` of ${dataset}`}`;
  });
  return texts.length === 0 ? 'changed' : [...new Set(texts)].join(', ');
}
