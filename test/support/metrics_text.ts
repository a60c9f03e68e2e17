// Prometheus's text format, read strictly: what a scraper would make of it, or an error where it would stumble.

export type MetricFamily = {
  readonly type: string;
  readonly help: string;
  /** By name and labels as they are written, e.g. `visage_profiles{shard="0"}`. */
  readonly samples: ReadonlyMap<string, number>;
};

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (\S+)$/;

/** @throws Error at a line that is none, a sample outside its family, a family or sample that is there twice */
export function parseMetrics(text: string): ReadonlyMap<string, MetricFamily> {
  const families = new Map<string, { type: string; help: string; samples: Map<string, number> }>();
  let name = '';
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, help, type] = /^# (?:(HELP)|(TYPE)) /.exec(line) ?? [];
    const [, , word = '', ...rest] = line.split(' ');
    if (help !== undefined) {
      if (families.has(word)) throw new Error(`${word} is announced twice`);
      families.set((name = word), { type: '', help: rest.join(' '), samples: new Map() });
    } else if (type !== undefined) {
      if (word !== name) throw new Error(`TYPE of ${word} among those of ${name}`);
      families.get(name)!.type = rest.join(' ');
    } else {
      const [, sample, labels = '', value] = LINE.exec(line) ?? [];
      if (sample === undefined) throw new Error(`no line of the format: ${line}`);
      const family = families.get(name)!;
      const suffix = sample.slice(name.length);
      const known = family.type === 'histogram' || family.type === 'summary' ? ['', '_bucket', '_sum', '_count'] : [''];
      if (!sample.startsWith(name) || !known.includes(suffix)) throw new Error(`${sample} among those of ${name}`);
      if (family.samples.has(sample + labels)) throw new Error(`twice: ${sample}${labels}`);
      family.samples.set(sample + labels, value === '+Inf' ? Infinity : Number(value));
    }
  }
  return families;
}

/** The sum of a metric's samples whose labels have this text in them; 0 if there is none. */
export function total(families: ReadonlyMap<string, MetricFamily>, name: string, having = ''): number {
  let sum = 0;
  for (const [sample, value] of families.get(name)?.samples ?? []) if (sample.includes(having)) sum += value;
  return sum;
}
