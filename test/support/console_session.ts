// A ```console block: lines that begin with `$ ` are commands, what stands below each is what it prints.
export type Step = { readonly command: string; readonly shown: string };

export function stepsOf(block: string): Step[] {
  const [, ...parts] = block.replaceAll(/ *\\\n */g, ' ').split(/^\$ /m);
  return parts.map((part) => {
    const end = part.indexOf('\n');
    return { command: part.slice(0, end), shown: part.slice(end + 1) };
  });
}

/** A pattern for what is printed: `…` stands for anything, everything else for itself. */
export function asShown(shown: string): RegExp {
  const lines = shown.trimEnd().replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${lines.replaceAll('…', '[^]*?')}\\s*$`);
}

const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, 'TIME'],
  [/"(sequence|version|previousVersion|shard|applied|pid|epoch)":\d+/g, '"$1":N'],
  [/"(requestId|request|hash|instance|owner)":"[^"]+"/g, '"$1":"ID"'],
  [/\b[0-9a-f]{8}-\d+-\d+\b/g, 'POSITION'],
  [/\b\d+-\d+-\d+\b/g, 'POSITION'],
  [/^(x-request-id|date): .*$/gm, '$1: HERE'],
  [/\b(version|shard|sequence) \d+/g, '$1 N'],
  // the column of sequences in what `explain` prints, and the widths of columns
  [/(TIME +(?:\S+ +)?)\d+(?= |$)/gm, '$1N'],
  [/ {2,}/g, '  '],
];

/** Without what differs from run to run: times of the log, sequences, ids that are made up. */
export function settled(text: string): string {
  return VARYING.reduce((now, [varying, same]) => now.replaceAll(varying, same), text);
}
