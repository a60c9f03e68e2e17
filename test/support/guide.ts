// docs/definitions.md as a story: its files, its ten questions, and what it says of each.
import { blocksOf, pageText } from './doc_pages.ts';

export const GUIDE = 'docs/definitions.md';

export type Row = { readonly asOf: string; readonly value: string; readonly next: string };
export type Question = {
  readonly title: string;
  /** Of the attribute that answers it: the last one of its block. */
  readonly attribute: string;
  readonly rows: readonly Row[];
  readonly command: string;
  /** What the command prints. */
  readonly answer: string;
};

/** The first yaml block that begins with the name, as a comment. */
function fileNamed(name: string): string {
  return blocksOf(GUIDE, 'yaml').find(({ text }) => text.startsWith(`# ${name}\n`))!.text;
}

export const SETTINGS = fileNamed('guide.yaml');
/** With all attributes of the page in it, as a reader would put them there. */
export const DEFINITIONS =
  fileNamed('shop.yaml') +
  blocksOf(GUIDE, 'yaml')
    .filter(({ text }) => text.startsWith('  '))
    .map(({ text }) => text)
    .join('');
export const EVENTS = blocksOf(GUIDE, 'ndjson')[0]!.text;
/** The one write to a record, as the page publishes it. */
export const RECORD = recordOf();

function recordOf(): { readonly body: string; readonly dataset: string; readonly id: string; readonly lastUpdated: string } {
  const line = /echo '(.*)' \| npx visage publish (\w+) customerId (\w+) --last-updated (\S+) /.exec(pageText(GUIDE))!;
  const [, body, dataset, id, lastUpdated] = line;
  return { body: body!, dataset: dataset!, id: id!, lastUpdated: lastUpdated! };
}

/** The sections whose heading begins with a number. */
export function questions(): Question[] {
  const [, ...sections] = pageText(GUIDE).split(/^## (?=\d+\. )/m);
  return sections.map((section) => {
    const yaml = /^```yaml\n([^]*?)^```/m.exec(section)![1]!;
    const shown = /^```console\n\$ (npx visage explain .*)\n([^]*?)^```/m.exec(section)!;
    const names = [...yaml.matchAll(/^ {2}(\w+): \{/gm)].map(([, name]) => name!);
    const rows = [...section.matchAll(/^\| (\d{4}-\S+) \| (.*?) \| (.*?) \| .* \|$/gm)];
    return {
      title: section.split('\n')[0]!,
      attribute: names.at(-1)!,
      rows: rows.map(([, asOf, value, next]) => ({ asOf: asOf!, value: value!, next: next! })),
      command: shown[1]!,
      answer: shown[2]!,
    };
  });
}
