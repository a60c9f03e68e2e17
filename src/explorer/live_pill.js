// Whether changes are heard of, in two words.
import { h, setProps, setText } from './dom.js';

/** @import { LiveState } from './live.js' */

export function livePill() {
  const text = h('span', {}, 'Connecting');
  const node = h(
    'p',
    { class: 'pill', 'data-live': 'connecting', role: 'status' },
    h('span', { class: 'dot', 'aria-hidden': 'true' }),
    text,
  );
  let wasLive = false;
  return {
    node,
    /** @param {LiveState} state */
    show(state) {
      if (state.kind === 'live') wasLive = true;
      setProps(node, { 'data-live': state.kind, title: state.kind === 'never' ? state.why : null });
      setText(text, textOf(state, wasLive));
    },
  };
}

/** @param {LiveState} state @param {boolean} wasLive */
function textOf(state, wasLive) {
  switch (state.kind) {
    case 'live':
      return 'Live';
    case 'never':
      return 'Not live';
    default:
      return wasLive ? 'Reconnecting' : 'Connecting';
  }
}
