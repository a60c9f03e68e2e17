// Numbers out of series of numbers.

export type Goal = { readonly median: number; readonly min: number; readonly max: number; readonly rounds: number };

/** Median and ends of one figure per round. */
export function spread(values: readonly number[]): Goal {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: sorted[Math.floor(sorted.length / 2)]!,
    min: sorted[0]!,
    max: sorted[sorted.length - 1]!,
    rounds: sorted.length,
  };
}

/** The ratio of two interleaved series, round by round. */
export function ratio(above: readonly number[], below: readonly number[]): Goal {
  return spread(above.map((value, i) => value / below[i]!));
}

/** The smallest value that at least the share `p` of all values does not exceed. `sorted` ascending, not empty. */
export function percentile(sorted: ArrayLike<number>, p: number): number {
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]!;
}

/** Least-squares slope of y over x; 0 when there is nothing to fit. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  let xy = 0;
  let xx = 0;
  for (const [x, y] of points) {
    xy += (x - meanX) * (y - meanY);
    xx += (x - meanX) ** 2;
  }
  return xx > 0 ? xy / xx : 0;
}
