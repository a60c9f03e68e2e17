// Counts of values in fixed buckets, in plain numbers: what a hot path can afford.
// H1: bucket i counts values ≤ bounds[i] that no earlier bucket counts; the last bucket counts the rest.

export class Histogram {
  /** Ascending upper bounds, each inside its bucket. */
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** Counts `value` `times` times. Cost: a short walk over the bounds. */
  observe(value: number, times = 1): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at++;
    this.counts[at]! += times;
    this.sum += value * times;
    this.count += times;
  }
}
