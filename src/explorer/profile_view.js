// One profile, live. PV1: what is shown is always a whole answer of the worker; a change event says that there is a new one, and is
// itself shown in the list of changes. PV2: what is open, selected or focused stays so when something changes.
import { attributesSection } from './attributes.js';
import { getJson, isReachable, Problem, profilePath, Unreachable, worker, workerNowMs } from './api.js';
import { changesSection } from './changes.js';
import { onSecond, setTime } from './clock.js';
import { computedSection } from './computed.js';
import { liveDefinitions, policyNames, ruleText, shadeOf } from './definitions.js';
import { announce, fill, h, setText } from './dom.js';
import { eventsSection } from './events.js';
import { exactText, numberText, valueText } from './format.js';
import { follow, pause } from './live.js';
import { livePill } from './live_pill.js';
import { placesOf } from './path.js';
import { hashOf } from './route.js';
import { emptyNode, loadInto } from './states.js';

/** @import { ProfileView } from '../profile/view.ts' */
/** @import { LiveDefinitions } from './definitions.js' */
/** @import { Change } from './live.js' */

const REST_MS = 200;
/** After an answer that may be another when it is asked again. */
const AGAIN_MS = 1_000;
/** A change that was due so long ago and of which nothing was heard is looked for. */
const OVERDUE_MS = 3_000;

/** @typedef {{ readonly namespace: string, readonly id: string, readonly policy: string | null }} ProfileRoute */

/** @param {HTMLElement} main @param {ProfileRoute} route @param {AbortSignal} signal
 *  @returns {(policy: string | null) => boolean} shows the same profile by another merge policy; false: there is none to be shown */
export function profileView(main, { namespace, id, policy: first }, signal) {
  let policy = first;
  document.title = `${id} · Visage`;
  const path = profilePath(namespace, id);
  const pill = livePill();
  const meta = h('p', { class: 'meta' });
  const policyPlace = h('div', { class: 'policy' });
  const place = h('div', { class: 'profile-body' });
  fill(
    main,
    h(
      'header',
      { class: 'profile-head' },
      h('div', { class: 'who' }, h('p', { class: 'eyebrow' }, namespace), h('h1', { tabindex: -1, class: 'identity' }, id), meta),
      h('div', { class: 'head-tools' }, pill.node, policyPlace),
    ),
    place,
  );
  const changes = changesSection();
  /** @type {Shown | undefined} */
  let shown;
  let isFollowing = false;
  /** Everything up to this sequence of the shard's log is to be in what is shown. */
  let wanted = 0;
  /** @type {Promise<void> | undefined} */
  let beginning;

  const load = async () => {
    const [view, live] = await Promise.all([
      /** @type {Promise<ProfileView>} */ (
        getJson(path, { query: { policy, ...(wanted > 0 ? { after: wanted } : {}) }, signal })
      ),
      liveDefinitions(signal),
    ]);
    return { view, live };
  };
  /** Shows it anew, or that it is not there; one at a time. */
  const begin = () => (beginning ??= beginAnew().finally(() => (beginning = undefined)));
  const beginAnew = () =>
    loadInto(place, {
      lines: 8,
      signal,
      load,
      show: ({ view, live }) => {
        showPolicies(policyPlace, { namespace, id, view, live });
        shown = new Shown({ namespace, id, signal, live, changes, meta, path });
        shown.policy = policy;
        fill(place, shown.node);
        shown.update(view);
        // also when it is gone by now: after this showing, which is one that begins
        if (wanted > view.sequence) void Promise.resolve(beginning).then(() => renew(wanted));
        if (!isFollowing) watch();
      },
      failed: (error) => {
        if (!(error instanceof Problem && error.code === 'not_found')) return false;
        shown = undefined;
        fill(meta);
        fill(policyPlace);
        fill(
          place,
          emptyNode(
            'There is no such profile',
            'Ids are exact: capitals and spaces count. When its first message comes, it appears here by itself.',
          ),
        );
        announce('There is no such profile');
        if (!isFollowing) watch();
        return true;
      },
    });
  const watch = () => {
    isFollowing = true;
    void follow({
      namespace,
      id,
      signal,
      onState: pill.show,
      onBegin: (version) => {
        if (version !== (shown?.version ?? null)) void renew(0);
      },
      onReset: () => void renew(0),
      onChange: (change) => {
        changes.add(change);
        if (change.data.cause?.some(({ kind }) => kind === 'definitions') === true) shown = undefined; // other attributes may be there
        void renew(change.data.sequence, change);
      },
    });
    onSecond(() => {
      if (shown?.isOverdue() === true && isReachable()) void renew(0);
    }, signal);
  };
  /** @param {number} after @param {Change} [change] */
  const renew = async (after, change) => {
    wanted = Math.max(wanted, after);
    if (change?.type.endsWith('.deleted') === true || shown === undefined) return begin();
    const isGone = await shown.renew(after);
    if (isGone) await begin();
  };
  worker.addEventListener('token', () => void (isFollowing && renew(0)), { signal });
  void begin();
  return (chosen) => {
    if (shown === undefined) return false;
    policy = shown.policy = chosen;
    void renew(0);
    return true;
  };
}

/** @param {HTMLElement} place @param {{ namespace: string, id: string, view: ProfileView, live: LiveDefinitions }} what */
function showPolicies(place, { namespace, id, view, live: { definitions } }) {
  const names = policyNames(definitions);
  if (names.length < 2) {
    fill(place, h('p', { class: 'fine' }, `merged by ${view.policy}`));
    return;
  }
  const options = names.map((name) => {
    const policy = definitions.mergePolicies?.[name];
    return h(
      'option',
      { value: name, selected: name === view.policy },
      `${name}: ${policy === undefined ? '' : ruleText(policy)}`,
    );
  });
  const select = h(
    'select',
    {
      id: 'policy',
      onchange: () => {
        const chosen = definitions.mergePolicies?.[select.value];
        location.hash = hashOf({ page: 'profile', namespace, id, policy: chosen?.default === true ? null : select.value });
      },
    },
    ...options,
  );
  fill(place, h('label', { for: 'policy' }, 'Merge policy'), select);
}

/** A profile that is there. */
class Shown {
  node;
  /** By which records are merged; null: by the default one. @type {string | null} */
  policy = null;
  #options;
  #computed;
  #attributes;
  #events;
  /** @type {ProfileView | undefined} */
  #view;
  #isBusy = false;
  #wanted = -1;
  #lookedMs = 0;
  #time = h('time');

  /** @param {{ namespace: string, id: string, signal: AbortSignal, live: LiveDefinitions, changes: { node: HTMLElement }, meta: HTMLElement, path: string }} options */
  constructor(options) {
    this.#options = options;
    const { namespace, id, signal, live, changes } = options;
    const parts = { namespace, id, signal, shade: (/** @type {string} */ dataset) => shadeOf(live.definitions, dataset) };
    this.#computed = computedSection(parts);
    this.#attributes = attributesSection(parts);
    this.#events = eventsSection(parts);
    this.node = h(
      'div',
      { class: 'profile' },
      h('div', { class: 'column' }, section('Computed attributes', this.#computed.values)),
      h(
        'div',
        { class: 'column' },
        section('Attributes', this.#attributes.node),
        section('Audiences', this.#computed.audiences),
        section('As it happens', changes.node),
      ),
      section('Recent events', this.#events.node, 'wide'),
    );
  }

  /** Another answer; what is other than before is shown so. @param {ProfileView} view */
  update(view) {
    const before = this.#view;
    this.#view = view;
    this.#computed.update(view, this.#options.live.definitions);
    this.#attributes.update(view);
    this.#showMeta(view);
    if (before === undefined || before.version !== view.version) void this.#events.refresh(view.sequence);
    if (before === undefined) return;
    const names = Object.keys({ ...before.computed, ...view.computed });
    for (const name of names) {
      const [was, is] = [valueOf(before, name), valueOf(view, name)];
      if (JSON.stringify(was) === JSON.stringify(is)) continue;
      this.#computed.flash(name);
      announce(`${name} is now ${is === undefined ? 'without a value' : valueText(is)}`);
    }
    const leaves = new Map(placesOf(before.attributes, 'attributes').map(({ path, value }) => [path, exactText(value)]));
    for (const { path, leaf, value } of placesOf(view.attributes, 'attributes'))
      if (leaf && leaves.get(path) !== exactText(value)) this.#attributes.flash(path);
  }

  /** @param {ProfileView} view */
  #showMeta({ version, shard, sequence, time }) {
    const { meta } = this.#options;
    setTime(this.#time, time);
    if (this.#time.parentNode !== meta)
      fill(
        meta,
        h('span', {}, 'version '),
        h('span', { class: 'version' }),
        ' · as of ',
        this.#time,
        h('span', { class: 'where' }),
      );
    const [version_, where] = [meta.querySelector('.version'), meta.querySelector('.where')];
    if (version_ !== null) setText(version_, numberText(version));
    if (where !== null) setText(where, ` · shard ${shard}, sequence ${numberText(sequence)}`);
  }

  /** Asks again; what is wanted meanwhile is asked for once, afterwards. @param {number} after @returns {Promise<boolean>} is it gone? */
  async renew(after) {
    this.#wanted = Math.max(this.#wanted, after);
    if (this.#isBusy) return false;
    this.#isBusy = true;
    const { path, signal } = this.#options;
    try {
      while (this.#wanted >= 0 && !signal.aborted) {
        const asked = this.#wanted;
        let restMs = REST_MS;
        this.#wanted = -1;
        try {
          /** @type {ProfileView} */
          const view = await getJson(path, { query: { policy: this.policy, ...(asked > 0 ? { after: asked } : {}) }, signal });
          this.update(view);
        } catch (error) {
          // the stream of changes may go on meanwhile: nobody else would ask again
          if (!(error instanceof Unreachable || (error instanceof Problem && error.passes))) throw error;
          this.#wanted = Math.max(this.#wanted, asked);
          restMs = AGAIN_MS;
        }
        await pause(restMs, signal);
      }
    } catch (error) {
      return error instanceof Problem && error.code === 'not_found';
    } finally {
      this.#isBusy = false;
    }
    return false;
  }

  get version() {
    return this.#view?.version ?? null;
  }

  /** A change is due for a while and was not heard of. */
  isOverdue() {
    const nowMs = workerNowMs();
    if (this.#view === undefined || nowMs - this.#lookedMs < OVERDUE_MS) return false;
    const due = Object.values(this.#view.computed).some(
      ({ nextChangeAt }) => nextChangeAt !== undefined && Date.parse(nextChangeAt) < nowMs - OVERDUE_MS,
    );
    if (due) this.#lookedMs = nowMs;
    return due;
  }
}

/** @param {ProfileView} view @param {string} name */
function valueOf({ computed }, name) {
  return Object.hasOwn(computed, name) ? computed[name]?.value : undefined;
}

let sections = 0;

/** @param {string} title @param {HTMLElement} body @param {string} [kind] */
function section(title, body, kind = '') {
  const id = `section-${++sections}`;
  return h('section', { class: `card ${kind}`, 'aria-labelledby': id }, h('h2', { id }, title), body);
}
