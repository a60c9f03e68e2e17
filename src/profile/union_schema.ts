// The union schema of a class as it is shown: every field of every profile-enabled schema, with who contributes it. Data.

export type UnionFieldType = 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object' | 'null' | 'any';

export type UnionField = {
  /** `commerce.order.priceTotal`, as change events write paths; '' is the payload itself, where a schema leaves it open. */
  readonly path: string;
  /** `any`: the schemas leave it open, or do not agree on how much they say. */
  readonly type: UnionFieldType;
  /** An object that may have fields beside those that are listed below it. */
  readonly open?: true;
  /** Names, sorted. */
  readonly schemas: readonly string[];
  readonly datasets: readonly string[];
};

/** `fields` are sorted by path. */
export type UnionSchema = { readonly class: string; readonly fields: readonly UnionField[] };
