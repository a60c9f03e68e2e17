// JSON Schemas of what writes take and answer: they validate, and OpenAPI is made of them.
// WX1: a body is not validated by its schema but message by message: one that is wrong must not keep the others out.
import { MESSAGES_MAX } from './message_texts.ts';

const text = { type: 'string' } as const;
const whole = { type: 'integer', minimum: 0 } as const;

const object = (properties: object, required: readonly string[], description?: string): object => ({
  type: 'object',
  properties,
  required,
  ...(description !== undefined && { description }),
});

const stored = object({ shard: whole, sequence: whole }, ['shard', 'sequence'], 'where the message is in the log');
const itemError = object({ code: text, detail: text }, ['code', 'detail']);
const results = {
  type: 'array',
  description: 'one for each message, in order; an error of queue_full, log_full or unavailable is not stored, one of unknown may be',
  items: { anyOf: [stored, object({ error: itemError }, ['error'])] },
} as const;

const PROBLEM = { type: text, title: text, status: whole, detail: text, code: text, requestId: text };
const REQUIRED = ['type', 'title', 'status', 'detail', 'code'];
const problem = (description: string, more: object = {}): object => ({
  description,
  content: { 'application/problem+json': { schema: object({ ...PROBLEM, ...more }, REQUIRED) } },
});
const answer = (description: string, schema: object): object => ({
  description,
  content: { 'application/json': { schema } },
});
const REFUSED = {
  401: problem('there is no token, or no such one'),
  403: problem('the token has not the scope, or is for other datasets; without tokens: asked from another site'),
};
const UNAVAILABLE = problem('the server, or the worker, is not available');

const dataset = { type: 'string', description: 'name of a dataset' } as const;
const namespace = { type: 'string', description: 'name of a namespace' } as const;
const id = { type: 'string', description: 'the id, percent-encoded' } as const;
const person = object({ namespace, id }, ['namespace', 'id']);
const nothing = { type: 'object', additionalProperties: false } as const;

const anyMessages = {
  description: `a message, an array of at most ${MESSAGES_MAX}, or { "messages": [ … ] } of envelopes; each is an event, a record, or the reference product's envelope around one`,
  anyOf: [{ type: 'object' }, { type: 'array', items: { type: 'object' } }],
};

export const MESSAGES_SCHEMA = {
  summary: 'Publish messages to a dataset',
  tags: ['write'],
  params: object({ dataset }, ['dataset']),
  querystring: {
    type: 'object',
    properties: {
      namespace: { type: 'string', description: 'with id: who the one message of the request is about' },
      id: { type: 'string', description: 'with namespace' },
    },
    additionalProperties: false,
  },
  headers: {
    type: 'object',
    properties: {
      'Visage-Operation': { type: 'string', enum: ['create', 'merge', 'delete'], description: 'of records; default: create' },
      'Visage-Last-Updated': { type: 'string', description: 'RFC 3339: when the records were last updated' },
    },
  },
  body: {
    content: {
      'application/json': { schema: anyMessages },
      'application/x-ndjson': { schema: { description: 'a message a line' } },
    },
  },
  response: {
    202: answer('at least one is in the log', object({ messages: results }, ['messages'])),
    400: problem('the body cannot be read'),
    ...REFUSED,
    404: problem('there is no such dataset'),
    413: problem('the body is too large'),
    415: problem('the body is neither JSON nor NDJSON'),
    422: problem('each of them is refused for its own fault, or the request is', { messages: results }),
    429: problem('too much at once, or the log is full; those with a sequence are stored', { messages: results }),
    503: problem('the server is not available; those with a sequence are stored', { messages: results }),
  },
} as const;

export const DELETE_PROFILE_SCHEMA = {
  summary: 'Delete a profile',
  tags: ['delete'],
  params: person,
  querystring: nothing,
  response: {
    202: answer('the delete is in the log', stored),
    ...REFUSED,
    422: problem('namespace or id cannot be meant'),
    429: problem('the log is full'),
    503: UNAVAILABLE,
  },
} as const;

export const ERASE_PROFILE_SCHEMA = {
  summary: 'Erase a profile and every message about it',
  tags: ['delete'],
  params: person,
  querystring: nothing,
  response: {
    202: answer(
      'it will be done, whatever happens to the worker',
      object({ shard: whole, hash: text, request: text }, ['shard', 'hash', 'request']),
    ),
    ...REFUSED,
    422: problem('namespace or id cannot be meant'),
    503: UNAVAILABLE,
  },
} as const;

export const DELETE_DATASET_SCHEMA = {
  summary: 'Delete what a dataset has said about every profile',
  tags: ['delete'],
  params: object({ dataset }, ['dataset']),
  querystring: {
    type: 'object',
    properties: { confirm: { type: 'string', description: 'the name of the dataset once more' } },
    additionalProperties: false,
  },
  response: {
    202: answer(
      'it is in the log of every shard',
      object(
        {
          dataset: text,
          shards: {
            type: 'array',
            items: object({ shard: whole, sequence: whole, time: text }, ['shard', 'sequence', 'time']),
          },
        },
        ['dataset', 'shards'],
      ),
    ),
    ...REFUSED,
    404: problem('there is no such dataset'),
    422: problem('confirm is not the name of the dataset'),
    503: UNAVAILABLE,
  },
} as const;
