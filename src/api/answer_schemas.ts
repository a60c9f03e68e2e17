// JSON schemas of what is answered, by name: `components.schemas` of the OpenAPI document. The types are in profile/ and ports/.
// AS1: what is written here is closed, where an answer can have nothing else; a profile's attributes and an event's payload are open.

type Properties = Readonly<Record<string, object>>;

export function refTo(name: keyof typeof SCHEMAS): object {
  return { $ref: `#/components/schemas/${name}` };
}

const TEXT = { type: 'string' };
const NAME = { type: 'string', minLength: 1 };
const WHOLE = { type: 'integer', minimum: 0 };
const TIME = { type: 'string', format: 'date-time' };
const ANY = {};
const OPEN = { type: 'object' };
const YES = { const: true };
const ref = (name: string): object => ({ $ref: `#/components/schemas/${name}` });
const listOf = (items: object): object => ({ type: 'array', items });
const orNull = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] });

/** An object that has all of `required`, maybe some of `optional`, and nothing else. */
function closed(required: Properties, optional: Properties = {}): object {
  return {
    type: 'object',
    additionalProperties: false,
    required: Object.keys(required),
    properties: { ...required, ...optional },
  };
}

/** As of when a profile was read. */
const AS_OF = { version: WHOLE, shard: WHOLE, sequence: WHOLE, time: TIME };
/** Of a computed value; an absent one has none of them. */
const VALUE = { value: ANY, timestamp: TIME, nextChangeAt: TIME, since: TIME, precision: ref('Precision') };
const EXPLAINED_PLACE = {
  losers: listOf(ref('LosingSource')),
  notTakingPart: listOf(NAME),
};
const SOURCE = { dataset: NAME, identity: ref('Identity'), lastUpdated: TIME, sequence: WHOLE, value: ANY };
const OF_FIELD = { profile: ref('Identity'), policy: NAME, rule: TEXT, ...AS_OF, field: TEXT };
const STITCHING = { stitching: { const: 'none' } };

const EXAMPLE = {
  profile: { namespace: 'customerId', id: '17850' },
  identities: [{ namespace: 'customerId', id: '17850', primary: true }],
  attributes: { person: { name: { firstName: 'Ada' } } },
  computed: {
    spend30d: { value: 84.99, nextChangeAt: '2026-04-09T09:00:00.001Z' },
    lastChannel: { value: 'web', timestamp: '2026-03-10T09:00:00.000Z' },
  },
  audiences: ['bigSpender'],
  policy: 'default',
  version: 12,
  shard: 3,
  sequence: 991,
  time: '2026-03-14T12:00:00.000Z',
};

export const SCHEMAS = {
  Identity: closed({ namespace: NAME, id: NAME }),
  Precision: {
    oneOf: [
      closed({ mode: { const: 'tiled' }, hop: TEXT }),
      closed({ mode: { const: 'sampled' }, share: { type: 'number' }, standardError: { type: 'number' } }),
    ],
  },
  ComputedValue: closed({ value: ANY }, VALUE),
  Profile: {
    ...closed(
      {
        profile: ref('Identity'),
        identities: listOf(closed({ namespace: NAME, id: NAME, primary: { type: 'boolean' } })),
        attributes: OPEN,
        computed: { type: 'object', additionalProperties: ref('ComputedValue') },
        audiences: listOf(NAME),
        policy: NAME,
        ...AS_OF,
      },
      STITCHING,
    ),
    examples: [EXAMPLE],
  },
  ListedEvent: closed({ _id: TEXT, dataset: NAME, timestamp: TIME, eventType: TEXT, sequence: WHOLE, event: OPEN }),
  EventsPage: closed(
    {
      profile: ref('Identity'),
      events: listOf(ref('ListedEvent')),
      next: orNull(TEXT),
      shard: WHOLE,
      sequence: WHOLE,
      time: TIME,
    },
    { missing: TEXT },
  ),
  ExplainedWindow: {
    oneOf: [
      closed({ kind: { const: 'sliding' }, length: TEXT, from: TIME, to: TIME }),
      closed({ kind: { const: 'calendar' }, unit: TEXT, count: WHOLE, from: TIME, to: TIME }),
      closed({ kind: { const: 'lifetime' }, to: TIME }),
    ],
  },
  ExplainedEvent: closed(
    { _id: TEXT, dataset: NAME, timestamp: TIME, sequence: WHOLE },
    { value: ANY, leavesAt: TIME, decides: YES },
  ),
  Explanation: closed(
    {
      profile: ref('Identity'),
      field: NAME,
      function: NAME,
      ...AS_OF,
      counted: WHOLE,
      events: listOf(ref('ExplainedEvent')),
    },
    {
      ...VALUE,
      window: TEXT,
      range: ref('ExplainedWindow'),
      agedOut: WHOLE,
      truncated: YES,
      inputs: { type: 'object', additionalProperties: closed({}, VALUE) },
      missing: TEXT,
    },
  ),
  FieldSource: closed(SOURCE),
  LosingSource: closed({ ...SOURCE, why: TEXT }),
  ExplainedField: closed({ field: TEXT, ...EXPLAINED_PLACE }, { value: ANY, winner: ref('FieldSource') }),
  FieldExplanation: {
    oneOf: [
      closed({ ...OF_FIELD, ...EXPLAINED_PLACE }, { ...STITCHING, value: ANY, winner: ref('FieldSource') }),
      closed({ ...OF_FIELD, fields: listOf(ref('ExplainedField')) }, { ...STITCHING, truncated: YES }),
    ],
  },
  UnionSchema: closed({
    class: NAME,
    fields: listOf(closed({ path: TEXT, type: NAME, schemas: listOf(NAME), datasets: listOf(NAME) }, { open: YES })),
  }),
  Definitions: closed({
    hash: { type: 'string', pattern: '^[0-9a-f]{64}$' },
    since: { ...orNull(TIME), description: 'when they became live; null: not known' },
    definitions: { type: 'object', description: 'as a definitions file has them, with what it leaves out' },
  }),
  Shards: {
    type: 'object',
    required: ['instance', 'version', 'pid', 'startedAt', 'ready', 'shards'],
    properties: {
      instance: NAME,
      version: TEXT,
      pid: WHOLE,
      startedAt: TIME,
      ready: { type: 'boolean' },
      shards: listOf(ref('Shard')),
      workers: listOf(ref('Worker')),
    },
    additionalProperties: false,
  },
  Shard: {
    type: 'object',
    description: 'figures are there once the shard was restored; there may be others',
    required: ['shard', 'state', 'reason', 'reasonCode', 'owner'],
    properties: {
      shard: WHOLE,
      state: NAME,
      reason: orNull(TEXT),
      reasonCode: orNull(TEXT),
      owner: { ...orNull(NAME), description: 'the instance that has it; null: none that answers' },
      applied: WHOLE,
      lag: { ...WHOLE, description: "messages in the shard's log that are not applied yet" },
      profiles: WHOLE,
    },
  },
  Worker: closed({
    instance: NAME,
    answers: { type: 'boolean' },
    version: orNull(TEXT),
    pid: orNull(WHOLE),
    startedAt: orNull(TIME),
    ready: { type: 'boolean' },
    draining: { type: 'boolean' },
    shards: WHOLE,
  }),
  LookupAnswer: closed({ profiles: listOf(ref('LookedUp')) }),
  LookedUp: {
    description: 'one that was asked for, in the order in which they were',
    oneOf: [
      closed({ namespace: TEXT, id: TEXT, profile: ref('Profile') }),
      closed({ namespace: TEXT, id: TEXT, error: closed({ status: WHOLE, code: NAME, detail: TEXT }) }),
    ],
  },
  Health: closed({ status: { const: 'ok' } }),
  Readiness: closed({ ready: { type: 'boolean' }, reasons: listOf(TEXT), degraded: listOf(TEXT) }),
  Problem: {
    ...closed({
      type: { const: 'about:blank' },
      title: NAME,
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: NAME,
      code: { ...NAME, description: 'stable, for programs' },
      requestId: { ...NAME, description: "as in X-Request-Id, and in the worker's log where it has something to say" },
    }),
    description: 'RFC 9457. Nothing of what was asked with is in it.',
    examples: [
      {
        type: 'about:blank',
        title: 'Not found',
        status: 404,
        detail: 'there is no such profile',
        code: 'not_found',
        requestId: '9f1c2e4a-7',
      },
    ],
  },
} as const;
