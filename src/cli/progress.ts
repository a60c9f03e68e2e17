// How far a long command is: a line that redraws itself on a terminal, else a line every ten seconds.
// PG1: only on stderr: stdout is for results. PG2: what the command waits for is said when it begins and every ten seconds.

export type ProgressState = {
  /** E.g. `12,000 rows`. */
  readonly done: string;
  /** Of this run: for the rate. */
  readonly count: number;
  /** 0..1 of the work, for the time that is left. */
  readonly share: number;
  /** More to say, or ''. */
  readonly remarks: string;
  readonly waitingFor: string | null;
};

export interface ProgressLine {
  show(state: ProgressState): void;
  /** The terminal's line is free again. */
  end(): void;
}

const LINE_MS = 10_000;
const REDRAW_MS = 250;
const BAR_CELLS = 20;
/** Before this much time is gone an estimate says nothing. */
const ESTIMATE_MS = 2_000;

/** @param out stderr   @param nowMs a monotonic clock */
export function progressLine(out: NodeJS.WriteStream, nowMs: () => number = () => performance.now()): ProgressLine {
  const startMs = nowMs();
  let first: ProgressState | undefined;
  let shownMs = out.isTTY ? -Infinity : startMs;
  let waiting = false;
  return {
    show(state) {
      first ??= state; // a run that goes on begins in the middle
      const now = nowMs();
      const begins = state.waitingFor !== null && !waiting;
      if (!begins && now - shownMs < (out.isTTY ? REDRAW_MS : LINE_MS)) return;
      waiting = state.waitingFor !== null;
      shownMs = now;
      const line = progressText(first, state, now - startMs);
      if (!out.isTTY) out.write(`${line}\n`);
      else out.write(`\r${`${bar(state.share)} ${line}`.slice(0, Math.max(20, out.columns - 1))}\u001b[K`);
    },
    end() {
      if (out.isTTY && first !== undefined) out.write('\r\u001b[K');
    },
  };
}

export function progressText(first: ProgressState, state: ProgressState, elapsedMs: number): string {
  const perSecond = elapsedMs > 0 ? Math.round(((state.count - first.count) * 1000) / elapsedMs) : 0;
  const parts = [`${Math.floor(state.share * 100)} %`, state.done, `${number(perSecond)}/s`];
  const gained = state.share - first.share;
  if (elapsedMs >= ESTIMATE_MS && gained > 0 && state.share < 1)
    parts.push(`${duration((elapsedMs * (1 - state.share)) / gained)} left`);
  if (state.remarks !== '') parts.push(state.remarks);
  if (state.waitingFor !== null) parts.push(`waiting: ${state.waitingFor}`);
  return parts.join(', ');
}

export function number(n: number): string {
  return n.toLocaleString('en-US');
}

function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

function bar(share: number): string {
  const full = Math.min(BAR_CELLS, Math.floor(share * BAR_CELLS));
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_CELLS - full)}]`;
}
