// The lease store's twin: entries that run out by a clock of its own.
import type { LeaseEntry, LeaseStore } from '../../src/ports/leases.ts';

export class MemoryLeases {
  private readonly entries = new Map<string, LeaseEntry & { readonly untilMs: number }>();
  private readonly hints = new Set<() => void>();
  private revision = 0;
  readonly ttlMs: number;
  private readonly nowMs: () => number;

  constructor(ttlMs: number, nowMs: () => number) {
    this.ttlMs = ttlMs;
    this.nowMs = nowMs;
  }

  /** @param reach runs before everything; throws where the worker is cut off */
  port(reach: () => Promise<void> = () => Promise.resolve()): LeaseStore {
    return {
      ttlMs: this.ttlMs,
      list: async () => {
        await reach();
        return [...this.entries.keys()].flatMap((key) => this.at(key) ?? []);
      },
      put: async (key, value, revision) => {
        await reach();
        const now = this.at(key);
        if ((now?.revision ?? 0) !== revision) return { done: false, now };
        this.entries.set(key, { key, value, revision: ++this.revision, untilMs: this.nowMs() + this.ttlMs });
        return { done: true, revision: this.revision };
      },
      remove: async (key, revision) => {
        await reach();
        if (this.at(key)?.revision === revision) this.entries.delete(key);
      },
      hint: () => {
        for (const hint of [...this.hints]) hint();
      },
      onHint: (callback) => {
        this.hints.add(callback);
        return () => void this.hints.delete(callback);
      },
    };
  }

  private at(key: string): LeaseEntry | undefined {
    const found = this.entries.get(key);
    if (found === undefined || found.untilMs <= this.nowMs()) return undefined;
    return { key, value: found.value, revision: found.revision };
  }
}
