// What every picture must be.
import { expect } from 'vitest';

/** Nothing that is drawn leaves the picture, and it can be read on both backgrounds. */
export function expectInsideFrame(svg: string): void {
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number) as [number, number, number];
  const points = [...svg.matchAll(/points="([^"]+)"/g)].flatMap(([, list]) =>
    list!.split(' ').map((pair) => pair.split(',').map(Number)),
  );
  expect(points.length).toBeGreaterThan(0);
  for (const [x, y] of points) {
    expect(x).toBeGreaterThan(0);
    expect(x).toBeLessThan(width);
    expect(y).toBeGreaterThan(0);
    expect(y).toBeLessThan(height);
  }
  expect(svg).toContain('prefers-color-scheme: dark');
}
