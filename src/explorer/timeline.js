// A window, drawn: each event that counts is a mark that moves towards the left edge, where it leaves.
// TL1: a picture of what the table says, and nothing more: who cannot see it misses nothing.
import { workerNowMs } from './api.js';
import { onSecond } from './clock.js';
import { fill, setProps, svg } from './dom.js';

/** @import { Explanation } from '../profile/explanation.ts' */

const WIDTH = 600;
const HEIGHT = 44;
const BASE = HEIGHT - 8;
const EVENTS_MAX = 100;
const BAR_MIN = 6;
const BAR_MAX = BASE - 4;

/** @param {AbortSignal} signal */
export function timeline(signal) {
  const marks = svg('g');
  const node = svg(
    'svg',
    {
      class: 'timeline',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      'aria-hidden': 'true',
      focusable: 'false',
    },
    svg('line', { x1: 0, x2: WIDTH, y1: BASE, y2: BASE, class: 'axis' }),
    svg('line', { x1: 1, x2: 1, y1: 4, y2: HEIGHT - 2, class: 'edge' }),
    marks,
  );
  /** @type {{ readonly atMs: number, readonly mark: Element }[]} */
  let drawn = [];
  let lengthMs = 0;
  const place = () => {
    if (lengthMs === 0) return;
    const fromMs = workerNowMs() - lengthMs;
    for (const { atMs, mark } of drawn) {
      const x = ((atMs - fromMs) / lengthMs) * WIDTH;
      setProps(mark, { transform: `translate(${Math.min(WIDTH - 4, x).toFixed(1)} 0)`, class: x < 0 ? 'gone' : 'mark' });
    }
  };
  onSecond(place, signal);
  return {
    node,
    /** @param {Explanation} explanation */
    update({ events, range }) {
      const isSliding = range?.kind === 'sliding';
      setProps(node, { hidden: !isSliding || events.length === 0 });
      if (!isSliding) return;
      lengthMs = Date.parse(range.to) - Date.parse(range.from);
      const listed = events.slice(0, EVENTS_MAX);
      const greatest = Math.max(1e-9, ...listed.map(({ value }) => (typeof value === 'number' ? Math.abs(value) : 0)));
      drawn = listed.map(({ timestamp, value }) => {
        const share = typeof value === 'number' ? Math.abs(value) / greatest : 0.5;
        const height = BAR_MIN + share * (BAR_MAX - BAR_MIN);
        return {
          atMs: Date.parse(timestamp),
          mark: svg('rect', { x: 0, y: BASE - height, width: 4, height, rx: 1.5, class: 'mark' }),
        };
      });
      fill(marks, ...drawn.map(({ mark }) => mark));
      place();
    },
  };
}
