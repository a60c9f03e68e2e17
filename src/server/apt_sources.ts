// Reads apt's own lists of mirrors and says which of them should carry another Debian suite. Boundary: text in, data out; no I/O.
// A1: no address is known here; every address comes from the machine's configuration.
// A2: what the machine says about trusting a mirror (its keys, its dates) is carried over unchanged, never widened.

export type AptSource = {
  readonly types: readonly string[];
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Every other field, by its lower-case deb822 name; a key block keeps its lines. */
  readonly options: Readonly<Record<string, string>>;
};

export type AptMirror = { readonly uri: string; readonly options: Readonly<Record<string, string>> };

const TRUST_OPTIONS = ['signed-by', 'trusted', 'check-valid-until', 'check-date', 'by-hash'];
const DISABLED = ['no', 'false', '0', 'off', 'without', 'disable'];
const DEBIAN_SUITE_ALIASES = ['oldoldstable', 'oldstable', 'stable', 'testing', 'unstable', 'sid'];
const ONE_LINE = /^(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)$/;

/** Parses a `.sources` file: stanzas of `Field: value` with continuation lines. Disabled stanzas are left out. @throws never */
export function parseDeb822(text: string): AptSource[] {
  const sources: AptSource[] = [];
  let fields = new Map<string, string>();
  let lastField = '';
  const endStanza = (): void => {
    const source = sourceOf(fields);
    if (source !== undefined) sources.push(source);
    fields = new Map();
    lastField = '';
  };
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue; // a comment does not end a stanza, not even inside a multi-line field
    if (line.trim() === '') {
      endStanza();
    } else if (/^[ \t]/.test(line)) {
      if (lastField !== '') fields.set(lastField, `${fields.get(lastField) ?? ''}\n${line.trimEnd()}`);
    } else {
      const colon = line.indexOf(':');
      lastField = colon < 0 ? '' : line.slice(0, colon).trim().toLowerCase();
      if (lastField !== '') fields.set(lastField, line.slice(colon + 1).trim());
    }
  }
  endStanza();
  return sources;
}

/** Parses a `.list` file: `deb [option=value …] uri suite component…` per line. @throws never */
export function parseOneLine(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split(/\r?\n/)) {
    const m = ONE_LINE.exec(line.replace(/#.*$/, '').trim());
    if (m === null) continue;
    const options: Record<string, string> = {};
    for (const option of words(m[2])) {
      const equals = option.indexOf('=');
      if (equals > 0) options[option.slice(0, equals).toLowerCase()] = option.slice(equals + 1);
    }
    sources.push({ types: [m[1]!], uris: [m[3]!], suites: [m[4]!], components: words(m[5]), options });
  }
  return sources;
}

/** The mirrors that should carry Debian's other suites too, best first, each once.
 *  @param codename the machine's own release, e.g. from os-release: its mirror is asked first */
export function chooseMirrors(sources: readonly AptSource[], codename: string): AptMirror[] {
  const ranked: { mirror: AptMirror; rank: number }[] = [];
  for (const source of sources) {
    // A plain suite marks the main archive: security, updates and most vendors' archives have a dash or a slash in it.
    const suites = source.suites.filter((suite) => /^[a-z]+$/.test(suite));
    if (!source.types.includes('deb') || !source.components.includes('main') || suites.length === 0) continue;
    const rank = suites.includes(codename) ? 0 : suites.some((suite) => DEBIAN_SUITE_ALIASES.includes(suite)) ? 1 : 2;
    for (const uri of source.uris) {
      if (uri.startsWith('cdrom:') || ranked.some((other) => other.mirror.uri === uri)) continue;
      ranked.push({ mirror: { uri, options: trustOf(source.options) }, rank });
    }
  }
  return ranked.sort((a, b) => a.rank - b.rank).map((entry) => entry.mirror); // the sort is stable: apt's order within a rank
}

/** A `.sources` file with that mirror's `suite` and nothing else. deb822, because a one-line list cannot hold a key block. */
export function renderSource(mirror: AptMirror, suite: string): string {
  const lines = ['Types: deb', `URIs: ${mirror.uri}`, `Suites: ${suite}`, 'Components: main'];
  for (const [name, value] of Object.entries(mirror.options)) lines.push(`${name}: ${value}`);
  return `${lines.join('\n')}\n`;
}

function sourceOf(fields: ReadonlyMap<string, string>): AptSource | undefined {
  if (!fields.has('uris') || DISABLED.includes((fields.get('enabled') ?? '').toLowerCase())) return undefined;
  const listed = ['types', 'uris', 'suites', 'components', 'enabled'];
  return {
    types: words(fields.get('types')),
    uris: words(fields.get('uris')),
    suites: words(fields.get('suites')),
    components: words(fields.get('components')),
    options: Object.fromEntries([...fields].filter(([name]) => !listed.includes(name))),
  };
}

function trustOf(options: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => TRUST_OPTIONS.includes(name)));
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}
