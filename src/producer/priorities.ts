// The priorities of namespaces: known from the start, or learned once definitions are live.

/** Priority by namespace, 1 is the highest. */
export type PriorityMap = ReadonlyMap<string, number>;

const REREAD_MS = 1_000;

export class Priorities {
  private map: PriorityMap | null;
  private readonly read: () => Promise<PriorityMap | null>;
  private underWay: Promise<void> | undefined;
  private lastReadMs = -Infinity;

  constructor(map: PriorityMap | null, read: () => Promise<PriorityMap | null> = () => Promise.resolve(null)) {
    this.map = map;
    this.read = read;
  }

  /** Null when none are known. */
  get known(): PriorityMap | null {
    return this.map;
  }

  /** The read under way. Whoever must not overtake those that wait for it waits too. Never rejects. */
  get reading(): Promise<void> | undefined {
    return this.underWay;
  }

  /** Starts a read when nothing is known: one at a time, at most one a second. */
  lookAgain(): void {
    const nowMs = performance.now();
    if (this.map !== null || this.underWay !== undefined || nowMs - this.lastReadMs < REREAD_MS) return;
    this.lastReadMs = nowMs;
    this.underWay = this.learn();
  }

  private async learn(): Promise<void> {
    try {
      this.map = await this.read();
    } catch {
      // not known as before; the next `send` that needs them asks again
    }
    // later than those that wait go on: a `send` between them would overtake them
    setImmediate(() => (this.underWay = undefined));
  }
}
