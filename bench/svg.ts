// A small writer of charts as SVG text. S1: the same input gives the same bytes: a test compares them with what is committed.
// Each picture brings its own background, which follows the reader's light or dark scheme: text on it can always be read.

export const WIDTH = 720;
const STYLE = `
  .back { fill: #ffffff; stroke: #d0d7de; }
  text { fill: #1f2328; font: 13px system-ui, sans-serif; }
  .title { font-size: 15px; font-weight: 600; }
  .small { fill: #59636e; font-size: 12px; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .whisker { stroke: #1f2328; stroke-width: 1.5; fill: none; }
  .limit { stroke: #bc4c00; stroke-width: 1.5; stroke-dasharray: 5 4; fill: none; }
  .a { fill: #0969da; stroke: #0969da; } .b { fill: #1a7f37; stroke: #1a7f37; } .c { fill: #8250df; stroke: #8250df; } .d { fill: #9a6700; stroke: #9a6700; }
  .line { fill: none; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117; stroke: #3d444d; }
    text { fill: #e6edf3; } .small { fill: #9198a1; }
    .grid { stroke: #3d444d; } .whisker { stroke: #e6edf3; } .limit { stroke: #f0883e; }
    .a { fill: #4493f8; stroke: #4493f8; } .b { fill: #3fb950; stroke: #3fb950; } .c { fill: #ab7df8; stroke: #ab7df8; } .d { fill: #d29922; stroke: #d29922; }
    .line { fill: none; }
  }`;

export type Colour = 'a' | 'b' | 'c' | 'd';
type Align = 'start' | 'middle' | 'end';
type Style = 'title' | 'heading' | 'large' | 'small';
type Points = readonly (readonly [number, number])[];

/** Of panels: only where there are some. */
export const PANEL_STYLE = `
  .heading { font-weight: 600; }
  .large { font-size: 26px; font-weight: 600; }
  polygon { fill-opacity: 0.3; stroke: none; }`;

/** A picture of `height`. `label`: what it says to those who cannot see it. `more`: rules beside those of every picture. */
export function picture(
  height: number,
  label: string,
  parts: readonly string[],
  { width = WIDTH, more = '' }: { readonly width?: number; readonly more?: string } = {},
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(label)}">`,
    `<style>${STYLE}${more}\n</style>`,
    `<rect class="back" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

export function text(x: number, y: number, content: string, options: { align?: Align; style?: Style } = {}): string {
  const { align = 'start', style } = options;
  return `<text x="${n(x)}" y="${n(y)}" text-anchor="${align}"${style === undefined ? '' : ` class="${style}"`}>${escaped(content)}</text>`;
}

export function bar(x: number, y: number, width: number, height: number, colour: Colour): string {
  return `<rect class="${colour}" x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" rx="2"/>`;
}

export function dot(x: number, y: number, colour: Colour): string {
  return `<circle class="${colour}" cx="${n(x)}" cy="${n(y)}" r="4.5"/>`;
}

/** What stands for a line beside its name. */
export function swatch(x: number, y: number, colour: Colour): string {
  return `<rect class="${colour}" x="${n(x)}" y="${n(y)}" width="10" height="4" rx="2"/>`;
}

/** What lies inside of the points, see-through. */
export function area(points: Points, colour: Colour): string {
  return `<polygon class="${colour}" points="${listed(points)}"/>`;
}

export function line(points: Points, style: Colour | 'grid' | 'whisker' | 'limit'): string {
  const drawn = style.length === 1 ? `${style} line` : style;
  return `<polyline class="${drawn}" points="${listed(points)}"/>`;
}

function listed(points: Points): string {
  return points.map(([x, y]) => `${n(x)},${n(y)}`).join(' ');
}

/** Round numbers from 0 up to `max` or a little more: about five steps. */
export function ticks(max: number): number[] {
  const rough = max / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, i) => i * step);
}

/** Powers of ten from at most `min` to at least `max`. */
export function decades(min: number, max: number): number[] {
  const from = Math.floor(Math.log10(min));
  const to = Math.ceil(Math.log10(max));
  return Array.from({ length: Math.max(to - from, 1) + 1 }, (_, i) => 10 ** (from + i));
}

function n(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`a picture cannot show ${value}`);
  return String(Math.round(value * 10) / 10);
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
