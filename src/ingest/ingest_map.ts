// The map file of `ingest`: which columns become identity, _id, timestamp, eventType and fields, and for records operation and lastUpdated.
// IM1: every mistake at once, each at its place; a map that comes out of here is complete and every expression in it parses.
// IM2: two fields never fight for one place, and none can take that of the envelope or `__proto__`.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errorText, VisageError } from '../base/errors.ts';
import { atKey, atValue, readLocated, type LocatedFile, type Path } from '../definitions/located_yaml.ts';
import { MistakesError, type Mistake } from '../definitions/mistakes.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import type { RecordOperation } from '../message/decode.ts';
import { show, typeText } from '../definitions/shape_mistakes.ts';
import { isExpressionMistake, parseExpression, type Expression } from './expression.ts';
import { timeParser, type ParseTime } from './zoned_time.ts';

export type MapField = { readonly path: readonly string[]; readonly expression: Expression };

export type IngestMap = {
  /** SHA-256 of the file's text, in hex. */
  readonly hash: string;
  readonly identity: { readonly namespace: string; readonly column: string; readonly integer: boolean };
  /** Columns that make the `_id` together; null: file hash and row. */
  readonly id: readonly string[] | null;
  /** Null: not named. Events need it. */
  readonly timestamp: TimeColumn | null;
  readonly eventType: { readonly text: string } | { readonly column: string } | null;
  /** Of records; null: that of the command. A column that is empty says the command's too. */
  readonly operation: { readonly always: RecordOperation } | { readonly column: string } | null;
  /** Of records; null: not named. */
  readonly lastUpdated: TimeColumn | null;
  readonly fields: readonly MapField[];
  /** Every column that is named, and where. */
  readonly columns: readonly NamedAt[];
  readonly namespaceAt: NamedAt;
  /** Where these sections are, or would be. */
  readonly places: { readonly timestamp: Mistake; readonly operation: Mistake; readonly lastUpdated: Mistake };
};

export type TimeColumn = { readonly column: string; readonly parse: ParseTime };
type NamedAt = { readonly name: string; readonly place: Mistake };
type Raw = Readonly<Record<string, unknown>>;

const SECTIONS = ['identity', '_id', 'timestamp', 'eventType', 'operation', 'lastUpdated', 'fields'];
const OPERATIONS: readonly unknown[] = ['create', 'merge', 'delete'] satisfies RecordOperation[];
const ENVELOPE = ['_id', 'timestamp', 'eventType', 'identityMap'];
const STEPS_MAX = 15; // an event may be nested 16 deep

/** @throws MistakesError `bad_map`: every mistake with its place   @throws VisageError `bad_map` when the file cannot be read */
export function loadIngestMap(path: string): IngestMap {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new VisageError('bad_map', `${path}: cannot be read: ${errorText(cause)}`, { cause, kind: 'usage' });
  }
  return parseIngestMap(path, text);
}

/** @throws MistakesError `bad_map` */
export function parseIngestMap(file: string, text: string): IngestMap {
  const located = readLocated(file, text);
  const reader = new MapReader(located);
  const map = located.mistakes.length === 0 ? reader.read() : undefined;
  const mistakes = [...located.mistakes, ...reader.mistakes];
  if (map === undefined || mistakes.length > 0) throw new MistakesError('bad_map', mistakes);
  return { ...map, hash: createHash('sha256').update(text).digest('hex') };
}

class MapReader {
  readonly mistakes: Mistake[] = [];
  private readonly columns: NamedAt[] = [];
  private readonly located: LocatedFile;

  constructor(located: LocatedFile) {
    this.located = located;
  }

  /** Undefined after a mistake that leaves nothing to read. */
  read(): Omit<IngestMap, 'hash'> | undefined {
    const root = this.mapAt([], this.located.value ?? {}, SECTIONS, 'a map file');
    if (root === undefined) return undefined;
    const identity = this.identity(root['identity']);
    return {
      ...identity,
      id: this.id(root['_id']),
      timestamp: this.time('timestamp', root['timestamp']),
      eventType: this.eventType(root['eventType']),
      operation: this.operation(root['operation']),
      lastUpdated: this.time('lastUpdated', root['lastUpdated']),
      fields: this.fields(root['fields']),
      columns: this.columns,
      places: {
        timestamp: this.placeOf('timestamp'),
        operation: this.placeOf('operation'),
        lastUpdated: this.placeOf('lastUpdated'),
      },
    };
  }

  private placeOf(section: string): Mistake {
    return atKey(this.located, [section], '');
  }

  private identity(raw: unknown): Pick<IngestMap, 'identity' | 'namespaceAt'> {
    const map = this.required(['identity'], raw, ['namespace', 'column', 'as']);
    const namespace = this.text(['identity', 'namespace'], map, 'namespace');
    const column = this.column(['identity', 'column'], map);
    const as = map?.['as'];
    if (as !== undefined && as !== 'integer')
      this.mistakes.push(
        atValue(this.located, ['identity', 'as'], `unsupported value ${show(as)} of 'as'; supported: integer (17850.0 is 17850)`),
      );
    return {
      identity: { namespace, column, integer: as === 'integer' },
      namespaceAt: { name: namespace, place: atValue(this.located, ['identity', 'namespace'], '') },
    };
  }

  private id(raw: unknown): readonly string[] | null {
    if (raw === undefined) return null;
    const list = typeof raw === 'string' ? [raw] : raw;
    if (!Array.isArray(list) || list.length === 0) {
      this.mistakes.push(atValue(this.located, ['_id'], `'_id' must be a list of columns, not ${typeText(raw)}`));
      return null;
    }
    return list.map((column: unknown, i) => {
      const path = typeof raw === 'string' ? ['_id'] : ['_id', i];
      if (typeof column === 'string' && column !== '') return this.use(column, atValue(this.located, path, ''));
      this.mistakes.push(atValue(this.located, path, `a column's name is expected here, not ${typeText(column)}`));
      return '';
    });
  }

  private time(section: 'timestamp' | 'lastUpdated', raw: unknown): TimeColumn | null {
    if (raw === undefined) return null;
    const map = this.mapAt([section], raw, ['column', 'zone'], `'${section}'`);
    const column = this.column([section, 'column'], map);
    const zone = map?.['zone'] ?? 'UTC';
    const parse = typeof zone === 'string' ? timeParser(zone) : undefined;
    if (parse === undefined) {
      const near = typeof zone === 'string' ? didYouMean(zone, ['UTC', ...Intl.supportedValuesOf('timeZone')]) : '';
      this.mistakes.push(
        atValue(
          this.located,
          [section, 'zone'],
          `unknown zone ${show(zone)}${near}; it is UTC, ±HH:MM in quotes, or a name such as Europe/London`,
        ),
      );
    }
    return { column, parse: parse ?? (() => NaN) };
  }

  private operation(raw: unknown): IngestMap['operation'] {
    const source = this.constOrColumn('operation', raw);
    if (source === null || 'column' in source) return source;
    if (OPERATIONS.includes(source.text)) return { always: source.text as RecordOperation };
    if (source.text !== '')
      this.mistakes.push(
        atValue(this.located, ['operation', 'const'], `unsupported value ${show(source.text)}; supported: create, merge, delete`),
      );
    return null;
  }

  private eventType(raw: unknown): IngestMap['eventType'] {
    return this.constOrColumn('eventType', raw);
  }

  private constOrColumn(section: string, raw: unknown): { readonly text: string } | { readonly column: string } | null {
    if (raw === undefined) return null;
    const map = this.mapAt([section], raw, ['const', 'column'], `'${section}'`);
    if (map === undefined) return null;
    if (Object.keys(map).length !== 1) {
      this.mistakes.push(atKey(this.located, [section], `'${section}' is either { const: text } or { column: name }`));
      return null;
    }
    if ('const' in map) return { text: this.text([section, 'const'], map, 'const') };
    return { column: this.column([section, 'column'], map) };
  }

  private fields(raw: unknown): MapField[] {
    if (raw === undefined || raw === null) return [];
    const map = this.mapAt(['fields'], raw, null, `'fields'`);
    if (map === undefined) return [];
    const targets = Object.keys(map);
    return targets.flatMap((target) => {
      const at = ['fields', target];
      const path = target.split('.');
      const wrong = targetMistake(target, path, targets);
      if (wrong !== undefined) this.mistakes.push(atKey(this.located, at, wrong));
      const expression = this.expression(at, map[target]);
      return expression === undefined ? [] : [{ path, expression }];
    });
  }

  private expression(at: Path, raw: unknown): Expression | undefined {
    if (typeof raw !== 'string' && typeof raw !== 'number') {
      this.mistakes.push(
        atValue(
          this.located,
          at,
          `an expression is expected here, e.g. row.Country, not ${typeText(raw)}; nested fields are written a.b`,
        ),
      );
      return undefined;
    }
    const parsed = parseExpression(String(raw));
    if (isExpressionMistake(parsed)) {
      this.mistakes.push(atValue(this.located, at, parsed.message, parsed.offset));
      return undefined;
    }
    for (const { column, offset } of parsed.columns) this.use(column, atValue(this.located, at, '', offset));
    return parsed.expression;
  }

  private column(path: Path, map: Raw | undefined): string {
    const name = this.text(path, map, 'column');
    return name === '' ? name : this.use(name, atValue(this.located, path, ''));
  }

  private use(name: string, place: Mistake): string {
    this.columns.push({ name, place });
    return name;
  }

  private text(path: Path, map: Raw | undefined, key: string): string {
    if (map === undefined) return ''; // that it is no map has been said
    const value = map[key];
    if (typeof value === 'string' && value !== '') return value;
    if (value === undefined) this.mistakes.push(atKey(this.located, path, `'${key}' is missing; it must be text`));
    else
      this.mistakes.push(atValue(this.located, path, `'${key}' must be text, not ${value === '' ? 'empty' : typeText(value)}`));
    return '';
  }

  private required(path: Path, raw: unknown, known: readonly string[]): Raw | undefined {
    if (raw !== undefined) return this.mapAt(path, raw, known, `'${path.join('.')}'`);
    this.mistakes.push(atKey(this.located, path, `'${path.join('.')}' is missing; it is a map of ${known.join(', ')}`));
    return undefined;
  }

  /** `known`: its keys; null: any. */
  private mapAt(path: Path, raw: unknown, known: readonly string[] | null, what: string): Raw | undefined {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      this.mistakes.push(atValue(this.located, path, `${what} must be a map, not ${typeText(raw)}`));
      return undefined;
    }
    for (const key of Object.keys(raw)) {
      if (known === null || known.includes(key)) continue;
      const message = `unknown key '${key}'${didYouMean(key, known)}; known here: ${known.join(', ')}`;
      this.mistakes.push(atKey(this.located, [...path, key], message));
    }
    return raw as Raw;
  }
}

/** Why nothing can be put at this path, or undefined. */
function targetMistake(target: string, path: readonly string[], targets: readonly string[]): string | undefined {
  if (path.some((step) => step.trim() === '')) return `'${target}' has an empty step; a field is a path such as line.total`;
  if (path.includes('__proto__')) return `'__proto__' is not allowed in a field`;
  if (path.length > STEPS_MAX) return `'${target}' is nested too deeply; at most ${STEPS_MAX} steps`;
  if (ENVELOPE.includes(path[0]!)) return `'${path[0]}' is not a field: it is made from '${ownSection(path[0]!)}'`;
  const parent = targets.find((other) => target.startsWith(`${other}.`));
  return parent === undefined ? undefined : `'${target}' lies inside '${parent}', which is a value; one place holds one value`;
}

function ownSection(envelope: string): string {
  return envelope === 'identityMap' ? 'identity' : envelope;
}
