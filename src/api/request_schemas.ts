// JSON schemas of what is asked with: parameters, by name. They validate requests and are in the OpenAPI document.
// RS1: a description says what the value must be: it is what a caller reads whose value is refused.

/** A part of a request: these parameters, and no others. Those of a path are always there. */
export function parameters(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', additionalProperties: false, properties };
}

export const TEXT = { type: 'string' } as const;

export const IDENTITY = {
  namespace: {
    type: 'string',
    pattern: '^[A-Za-z][A-Za-z0-9_-]*$',
    description: 'the namespace of the identity',
    examples: ['customerId'],
  },
  id: {
    type: 'string',
    minLength: 1,
    maxLength: 512,
    description: 'the id of the identity, percent-encoded; at most 512 bytes of UTF-8',
    examples: ['17850'],
  },
} as const;

export const POLICY = {
  type: 'string',
  description: 'the merge policy for the records; the default one without it',
  examples: ['default'],
} as const;

export const FIELDS = {
  type: 'string',
  description: 'only these fields, with commas between them',
  examples: ['spend30d,person.name'],
} as const;

export const AFTER = {
  type: 'integer',
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: "a sequence of the shard's log: a whole number, 0 or more; the answer has everything up to there in it",
} as const;

export const TIMEOUT = {
  type: 'string',
  pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w)$',
  description: 'how long the answer is waited for: one duration of at most 30s, e.g. 2s',
  examples: ['2s'],
} as const;

/** Whoever answers says what the largest is. */
export const LIMIT = {
  type: 'integer',
  minimum: 1,
  maximum: 999_999_999,
  description: 'at most so many events: a whole number, 1 or more',
} as const;

export const EVENTS = {
  start: { type: 'string', description: 'the first timestamp that is listed, in RFC 3339', examples: ['2026-03-01T00:00:00Z'] },
  end: { type: 'string', description: 'the first timestamp that is no longer listed, in RFC 3339' },
  type: {
    type: 'array',
    items: { type: 'string' },
    maxItems: 100,
    description: 'only events of one of these types, at most 100',
    examples: [['commerce.purchases']],
  },
  property: {
    type: 'array',
    items: { type: 'string' },
    maxItems: 3,
    description:
      'only events for which this holds: a path, one of = != < <= > >=, and a value; at most 3, all of which must hold',
    examples: [['commerce.order.priceTotal >= 100']],
  },
  order: { type: 'string', enum: ['asc', 'desc'], description: 'by timestamp: asc or desc' },
  page: { type: 'string', description: '`next` of the page before' },
} as const;
