// Exports in progress: a look at one checkpoint each, handed out page by page.
// ED1: at most OPEN_MAX at a time, each closed IDLE_MS after its last page: an open look keeps old pages of the store alive.
import { VisageError } from '../base/errors.ts';
import type { Plan } from '../aggregate/plan.ts';
import type { IdentityKey } from '../message/identity.ts';
import type { Clock } from '../ports/clock.ts';
import type { StoreSnapshot } from '../ports/profile_store.ts';
import { asCleared } from './deletes.ts';
import { policyNamed } from './policy_named.ts';
import { profileView } from './profile_view.ts';

const OPEN_MAX = 4;
const IDLE_MS = 60_000;
const PAGE_PROFILES = 256;
const PAGE_BYTES = 800 * 1024; // under the server's default payload of 1 MB, three bytes a character at worst

type Open = { readonly snapshot: StoreSnapshot; readonly plan: Plan | null; cancel: () => void };

/** `profiles`: one JSON text each. `next`: where to go on; null when this was the last page. `sequence`: the cut, up to which everything is in it. */
export type ExportPage = {
  readonly shard: number;
  readonly sequence: number;
  readonly profiles: readonly string[];
  readonly next: IdentityKey | null;
};

export class ExportDesk {
  private readonly clock: Clock;
  private readonly shard: number;
  private readonly exports = new Map<string, Open>();

  constructor(clock: Clock, shard: number) {
    this.clock = clock;
    this.shard = shard;
  }

  /** An export is in progress: whoever ends this life would end it too. */
  get isBusy(): boolean {
    return this.exports.size > 0;
  }

  open(id: string, snapshot: StoreSnapshot, plan: Plan | null): void {
    if (this.exports.size >= OPEN_MAX) this.end(this.exports.keys().next().value!);
    this.exports.set(id, { snapshot, plan, cancel: this.clock.timer(IDLE_MS, () => this.end(id)) });
  }

  /** Profiles after `after` in key order, at most PAGE_PROFILES and about PAGE_BYTES.
   *  @throws VisageError `no_such_export` (retry): the cut is not reached yet, or was closed · `no_such_policy` (usage) */
  page(id: string, after: IdentityKey, policy?: string): ExportPage {
    const open = this.exports.get(id);
    if (open === undefined)
      throw new VisageError(
        'no_such_export',
        `the export is not open on shard ${this.shard}: the shard began anew meanwhile; run it again`,
        {
          kind: 'retry',
        },
      );
    open.cancel();
    open.cancel = this.clock.timer(IDLE_MS, () => this.end(id));
    const { meta } = open.snapshot;
    const states = open.plan === null ? [] : open.snapshot.page(after, PAGE_PROFILES, open.plan);
    const { applied: sequence, shardTimeMs, revisions, generationFrom } = meta;
    const at = { shard: this.shard, sequence, shardTimeMs, revisions, generationFrom };
    const merge = open.plan === null ? undefined : policyNamed(open.plan, policy);
    const profiles: string[] = [];
    let bytes = 0;
    let next = states.length < PAGE_PROFILES ? null : states[states.length - 1]!.key;
    for (const [i, stored] of states.entries()) {
      const state = asCleared(stored, meta.datasetDeletes, open.plan!, shardTimeMs);
      if (!state.visible) continue;
      const text = JSON.stringify(profileView(state, open.plan!, at, merge!));
      bytes += 3 * text.length;
      if (bytes > PAGE_BYTES && profiles.length > 0) {
        next = states[i - 1]!.key;
        break;
      }
      profiles.push(text);
    }
    if (next === null) this.end(id);
    return { shard: this.shard, sequence: meta.applied, profiles, next };
  }

  close(): void {
    for (const id of [...this.exports.keys()]) this.end(id);
  }

  private end(id: string): void {
    const open = this.exports.get(id);
    if (open === undefined) return;
    open.cancel();
    open.snapshot.close();
    this.exports.delete(id);
  }
}
