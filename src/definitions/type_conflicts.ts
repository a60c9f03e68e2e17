// Two schemas of one class that give one path different types. TC1: whatever the order of schemas, and whatever others leave open.
import { jsonShape, type EventShape } from './event_shape.ts';

/** A schema says so at `path` in it; `other` says otherwise there. */
export type TypeConflict = {
  readonly schema: string;
  readonly other: string;
  /** Of keys, in payloads. */
  readonly path: readonly string[];
  readonly kind: string;
  readonly otherKind: string;
};

/** Each schema against the first, by name, that gives the path a type. Cost: O(size of all) */
export function typeConflicts(schemas: ReadonlyMap<string, unknown>): TypeConflict[] {
  const known = new Map<string, { readonly schema: string; readonly kind: string }>();
  const conflicts: TypeConflict[] = [];
  const look = (schema: string, path: readonly string[], shape: EventShape): void => {
    if (shape.kind === 'dyn') return;
    const { kind } = shape;
    const first = known.get(path.join('\0'));
    if (first === undefined) known.set(path.join('\0'), { schema, kind });
    else if (first.kind !== kind) {
      conflicts.push({ schema, other: first.schema, path, kind, otherKind: first.kind });
      return;
    }
    if (shape.kind === 'object') for (const [key, field] of shape.fields) look(schema, [...path, key], field);
  };
  for (const name of [...schemas.keys()].sort()) {
    const shape = jsonShape(schemas.get(name));
    if (shape.kind === 'object') look(name, [], shape);
  }
  return conflicts;
}
