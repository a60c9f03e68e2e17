// Definitions for messages that nobody should send: strict where schemas can be, with every function, and fields named as objects' own are.
// HD1: `shadow` and `audit` touch no profile.

export const HOSTILE_DOCUMENT = {
  version: 1,
  namespaces: {
    customerId: { type: 'person', priority: 1, unique: true },
    email: { type: 'person', priority: 2 },
    deviceId: { type: 'device', priority: 3 },
  },
  schemas: {
    purchase: {
      class: 'individual',
      behavior: 'event',
      identities: [{ path: '/contact/email', namespace: 'email' }],
      jsonSchema: {
        type: 'object',
        required: ['price'],
        properties: {
          price: { type: 'number', minimum: 0, multipleOf: 0.01 },
          channel: { type: 'string', enum: ['web', 'store', 'app'] },
          sku: { type: 'string', pattern: '^([a-z0-9]+-?)+$', maxLength: 5_000 },
          items: { type: 'array', uniqueItems: true, items: { type: ['object', 'string', 'number'] } },
          at: { type: 'string', format: 'date-time' },
          link: { type: 'string', format: 'uri' },
          lasts: { type: 'string', format: 'duration' },
          address: { type: 'string', format: 'ipv6' },
          contact: { type: 'object', properties: { email: { type: 'string', format: 'email' } } },
          tree: { $ref: '#/$defs/tree' },
          constructor: { type: 'string' },
        },
        patternProperties: { '^w[0-9]+$': { type: 'integer' } },
        dependentRequired: { sku: ['channel'] },
        $defs: { tree: { type: 'object', properties: { kids: { type: 'array', items: { $ref: '#/$defs/tree' } } } } },
      },
    },
    view: { class: 'individual', behavior: 'event', jsonSchema: { type: 'object', properties: { price: { type: 'number' } } } },
    customer: {
      class: 'individual',
      behavior: 'record',
      identities: [{ path: '/email', namespace: 'email' }],
      jsonSchema: {
        type: 'object',
        properties: {
          city: { type: 'string', minLength: 1 },
          age: { type: 'integer', minimum: 0, maximum: 150 },
          email: { type: 'string', format: 'email' },
          tags: { type: 'array', items: { type: 'string' }, uniqueItems: true, maxItems: 40 },
          home: { type: 'object', properties: { street: { type: 'string' }, zip: { type: ['string', 'null'] } } },
        },
        propertyNames: { pattern: '^[a-zA-Z_$]*$' },
        anyOf: [{ required: ['city'] }, { required: ['age'] }],
      },
    },
    loose: { class: 'individual', behavior: 'record', jsonSchema: { type: 'object' } },
  },
  datasets: {
    orders: { schema: 'purchase', profile: true },
    views: { schema: 'view', profile: true },
    audit: { schema: 'purchase', profile: false },
    crm: { schema: 'customer', profile: true },
    notes: { schema: 'loose', profile: true },
    shadow: { schema: 'customer', profile: false },
  },
  mergePolicies: {
    newest: { class: 'individual', attributes: 'timestampOrdered', stitching: 'none', default: true },
    crmFirst: { class: 'individual', attributes: { dataSetPrecedence: ['crm', 'notes'] }, stitching: 'none' },
  },
  computedAttributes: {
    spend: { class: 'individual', function: 'sum', value: 'event.price', window: 'lifetime' },
    spendHour: { class: 'individual', function: 'sum', value: 'event.price', window: { sliding: '1h' } },
    cheapest: { class: 'individual', function: 'min', value: 'event.price', window: 'lifetime' },
    dearest: { class: 'individual', function: 'max', value: 'event.price', window: { sliding: '30d' } },
    mean: { class: 'individual', function: 'average', value: 'event.price', window: 'lifetime' },
    channels: { class: 'individual', function: 'list', value: 'event.channel', limit: 5, window: 'lifetime' },
    skus: { class: 'individual', function: 'countDistinct', value: 'event.sku', window: { sliding: '1h' } },
    lastSku: { class: 'individual', function: 'mostRecent', value: 'event.sku', window: 'lifetime' },
    firstChannel: { class: 'individual', function: 'earliest', value: 'event.channel', window: 'lifetime' },
    events: { class: 'individual', function: 'count', window: 'lifetime' },
    webEvents: { class: 'individual', function: 'count', filter: "event.channel == 'web'", window: { sliding: '30d' } },
    any: { class: 'individual', function: 'exists', eventTypes: ['buy'], window: { sliding: '1h' } },
    fromOslo: { class: 'individual', function: 'expression', expression: 'profile.city == "Oslo" && events > 0', audience: true },
  },
};
