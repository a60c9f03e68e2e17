// The shards: whose each is, and how far behind. Looked at again every two seconds, for as long as somebody looks.
import { getJson } from './api.js';
import { setTime, timeNode } from './clock.js';
import { fill, h, keyedList, setProps, setText } from './dom.js';
import { countText, numberText } from './format.js';
import { pause } from './live.js';
import { loadInto } from './states.js';

/** @import { ShardSummary, WorkerStatus, WorkerSummary } from '../ports/reads.ts' */

const REFRESH_MS = 2_000;

/** @param {HTMLElement} main @param {AbortSignal} signal */
export function shardsView(main, signal) {
  document.title = 'Shards · Visage';
  const place = h('div', { class: 'stack' });
  fill(
    main,
    h(
      'header',
      { class: 'page-head' },
      h('h1', { tabindex: -1 }, 'Shards'),
      h('p', { class: 'lead' }, 'Each shard is a part of all identities: one log, one owner at a time.'),
    ),
    place,
  );
  const load = () => /** @type {Promise<WorkerStatus>} */ (getJson('shards', { signal }));
  return loadInto(place, {
    lines: 8,
    signal,
    load,
    show: (status) => {
      const page = statusPage();
      fill(place, ...page.nodes);
      page.update(status);
      void refresh(load, page.update, signal);
    },
  });
}

/** @param {() => Promise<WorkerStatus>} load @param {(status: WorkerStatus) => void} show @param {AbortSignal} signal */
async function refresh(load, show, signal) {
  while (!signal.aborted) {
    await pause(REFRESH_MS, signal);
    if (signal.aborted || document.hidden) continue;
    try {
      show(await load());
    } catch {
      // the bar says that the worker does not answer; what is known stays
    }
  }
}

function statusPage() {
  const workers = h('ul', { class: 'workers' });
  const body = h('tbody');
  const sum = h('p', { class: 'fine' });
  const showWorkers = keyedList(workers, {
    key: (/** @type {WorkerSummary} */ { instance }) => instance,
    make: () => h('li', { class: 'worker' }),
    update: (node, worker) => fill(node, ...workerNodes(worker)),
  });
  const showShards = keyedList(body, {
    key: (/** @type {ShardSummary} */ { shard }) => String(shard),
    make: shardRow,
    update: updateRow,
  });
  const heads = [
    h('th', { scope: 'col' }, 'Shard'),
    h('th', { scope: 'col' }, 'State'),
    h('th', { scope: 'col' }, 'Owner'),
    h('th', { scope: 'col', class: 'number' }, 'Behind'),
    h('th', { scope: 'col', class: 'number' }, 'Profiles'),
    h('th', { scope: 'col', class: 'number' }, 'Applied'),
    h('th', { scope: 'col' }, 'Time'),
  ];
  const table = h(
    'table',
    { class: 'list shards' },
    h('caption', { class: 'unseen' }, 'Shards'),
    h('thead', {}, h('tr', {}, ...heads)),
    body,
  );
  return {
    nodes: [
      h('section', { class: 'card wide', 'aria-labelledby': 'workers' }, h('h2', { id: 'workers' }, 'Workers'), workers),
      h(
        'section',
        { class: 'card wide', 'aria-labelledby': 'shards' },
        h('h2', { id: 'shards' }, 'Shards'),
        h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Shards' }, table),
        sum,
      ),
    ],
    /** @param {WorkerStatus} status */
    update(status) {
      const { shards, workers: all = [] } = status;
      const self = { ...status, answers: true, draining: false, shards: shards.length };
      showWorkers(all.length === 0 ? [self] : all);
      showShards(shards);
      const figures = ['lag', 'profiles', 'applied'].map((name) =>
        shards.reduce((total, shard) => total + Number(shard[name] ?? 0), 0),
      );
      const [lag = 0, profiles = 0] = figures;
      setText(
        sum,
        `${countText(shards.length, 'shard')}, ${countText(profiles, 'profile')}, ${lag === 0 ? 'nothing waits' : `${countText(lag, 'message')} wait`}.`,
      );
    },
  };
}

/** @param {WorkerSummary} worker */
function workerNodes({ instance, answers, version, startedAt, ready, draining, shards }) {
  const state = !answers ? 'does not answer' : draining ? 'leaving' : ready ? 'ready' : 'not ready';
  return [
    h('span', { class: 'state', 'data-state': answers && ready && !draining ? 'active' : 'waiting' }, state),
    h('strong', {}, instance),
    h('span', { class: 'fine' }, `${countText(shards, 'shard')}${version === null ? '' : ` · ${version}`}`),
    startedAt === null ? null : h('span', { class: 'fine' }, 'since ', timeNode(startedAt)),
  ];
}

/** @param {ShardSummary} shard */
function shardRow({ shard }) {
  return h(
    'tr',
    { 'data-shard': shard },
    h('th', { scope: 'row' }, String(shard)),
    h('td', {}, h('span', { class: 'state' }), h('span', { class: 'reason' })),
    h('td', { class: 'owner' }),
    h('td', { class: 'number' }),
    h('td', { class: 'number' }),
    h('td', { class: 'number' }),
    h('td', {}, h('time')),
  );
}

/** @param {HTMLElement} row @param {ShardSummary} shard */
function updateRow(row, { state, reason, owner, lag, profiles, applied, shardTimeMs }) {
  const [, stateCell, ownerCell, ...numbers] = row.children;
  const [name, why] = stateCell?.children ?? [];
  if (name !== undefined) {
    setText(name, state);
    setProps(name, { 'data-state': state === 'active' || state === 'halted' ? state : 'waiting' });
  }
  if (why !== undefined) setText(why, reason ?? '');
  if (ownerCell !== undefined) setText(ownerCell, typeof owner === 'string' ? owner : '—');
  for (const [n, figure] of [lag, profiles, applied].entries()) {
    const cell = numbers[n];
    if (cell !== undefined) setText(cell, typeof figure === 'number' ? numberText(figure) : '—');
  }
  const time = /** @type {HTMLTimeElement | null} */ (row.querySelector('time'));
  if (time !== null && typeof shardTimeMs === 'number' && shardTimeMs > 0) setTime(time, new Date(shardTimeMs).toISOString());
}
