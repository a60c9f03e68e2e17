// Time and turns, for the shell around the fold. The fold itself never sees it.
export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  monotonicMs(): number;
  /** The machine's wall clock: only to notice that a server's clock jumped, never for a value. */
  wallMs(): number;
  /** Calls back once after `ms` (≥ 0; longer than a timer can hold is cut short). @returns cancel */
  timer(ms: number, callback: () => void): () => void;
  /** Lets everything else that is ready run first. */
  yieldNow(): Promise<void>;
}
