// Headings of a page of the documentation, as they are linked to.

/** Heading → its anchor, as GitHub makes it. */
export function anchorsOf(markdown: string): ReadonlyMap<string, string> {
  const headings = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!);
  const anchor = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  return new Map(headings.map((heading) => [heading, anchor(heading)]));
}

/** What stands under a heading, up to the next one of any level. */
export function under(markdown: string, heading: string): string {
  const lines = markdown.split('\n');
  const from = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading);
  const to = lines.findIndex((line, i) => i > from && /^#+ /.test(line));
  return from < 0
    ? ''
    : lines
        .slice(from + 1, to < 0 ? undefined : to)
        .join('\n')
        .trim();
}
