// JSON Schemas of what writes take and answer: they validate, and OpenAPI is made of them.
// WX1: a body is not validated by its schema but message by message: one that is wrong must not keep the others out. (What is validated is
//      the body's bytes, which the schema of any JSON takes.)
import { refTo } from './answer_schemas.ts';
import { JSON_TYPE } from './bodies.ts';
import { MESSAGES_MAX } from './message_texts.ts';
import { PROBLEM_TYPE } from './problem.ts';
import { IDENTITY, parameters, TEXT } from './request_schemas.ts';
import { problemsOf, type DocumentedAnswer } from './route_schema.ts';

export const NDJSON_TYPE = 'application/x-ndjson';
/** Statuses whose answer may say what became of each message. */
const WITH_RESULTS = ['422', '429', '503'];

const DATASET = { type: 'string', minLength: 1, description: 'the name of the dataset', examples: ['orders'] } as const;
const NOT_THERE = ['shard_not_ready', 'stopped', 'unavailable', 'unknown'];
const NO_PERSON = ['bad_identity', 'bad_query', 'unknown_namespace', 'blocked_id'];

const EXAMPLE = {
  _id: 'e-1',
  timestamp: '2026-03-10T09:00:00.000Z',
  eventType: 'commerce.purchases',
  identityMap: { customerId: [{ id: '17850' }] },
  commerce: { order: { priceTotal: 25, channel: 'web' } },
};

function accepted(description: string, schema: Parameters<typeof refTo>[0]): Readonly<Record<string, DocumentedAnswer>> {
  return { 202: { description, content: { [JSON_TYPE]: { schema: refTo(schema) } } } };
}

function problemsWithResults(codes: readonly string[]): Readonly<Record<string, DocumentedAnswer>> {
  const results = { content: { [PROBLEM_TYPE]: { schema: refTo('WriteProblem') } } };
  return Object.fromEntries(
    Object.entries(problemsOf(codes)).map(([status, said]) => [
      status,
      WITH_RESULTS.includes(status) ? { ...said, ...results } : said,
    ]),
  );
}

export const MESSAGES_SCHEMA = {
  tags: ['writes'],
  summary: `Messages for a dataset: up to ${MESSAGES_MAX}, each answered for`,
  description:
    'Each is an event, a record, or the streaming envelope of Adobe Experience Platform around one; a batch of envelopes, `{ "messages": [ … ] }`, is taken too. ' +
    'Whose it is: the namespace that ranks highest in its `identityMap` and in the fields that its schema names, or `namespace` and `id`.',
  params: parameters({ dataset: DATASET }),
  querystring: parameters({
    namespace: { type: 'string', description: 'with id: whose the one message of the request is' },
    id: { type: 'string', description: 'with namespace' },
  }),
  headers: {
    type: 'object',
    properties: {
      'Visage-Operation': {
        type: 'string',
        enum: ['create', 'merge', 'delete'],
        description: 'what records do: create, merge or delete; a delete needs no body when namespace and id are given',
      },
      'Visage-Last-Updated': { type: 'string', description: 'when records were last updated: RFC 3339' },
    },
  },
  body: {
    content: {
      [JSON_TYPE]: {
        schema: { anyOf: [{ type: 'object' }, { type: 'array', items: { type: 'object' }, maxItems: MESSAGES_MAX }] },
        example: [EXAMPLE],
      },
      [NDJSON_TYPE]: { schema: {}, example: `${JSON.stringify(EXAMPLE)}\n${JSON.stringify({ ...EXAMPLE, _id: 'e-2' })}\n` },
    },
  },
  response: {
    ...accepted('at least one is in the log', 'Written'),
    ...problemsWithResults([
      'malformed',
      'pipelined',
      'no_messages',
      'unknown_dataset',
      'bad_query',
      'bad_header',
      'bad_identity',
      'bad_operation',
      'unknown_namespace',
      'blocked_id',
      'too_many_messages',
      'all_refused',
      'too_many_writes',
      'queue_full',
      'log_full',
      'no_definitions',
      'not_allowed',
      ...NOT_THERE,
    ]),
  },
} as const;

export const DELETE_PROFILE_SCHEMA = {
  tags: ['writes'],
  summary: 'Delete a profile: what it is as of now; what comes later counts again',
  params: parameters(IDENTITY),
  querystring: parameters({}),
  response: {
    ...accepted('the delete is in the log', 'Stored'),
    ...problemsOf([...NO_PERSON, 'too_many_writes', 'queue_full', 'log_full', 'not_allowed', ...NOT_THERE]),
  },
} as const;

export const ERASE_PROFILE_SCHEMA = {
  tags: ['writes'],
  summary: 'Erase a profile, every message about it, and every byte of both',
  // one that is too long for a profile was refused, and is among the dead letters
  params: parameters({ ...IDENTITY, id: { ...TEXT, minLength: 1, description: 'the id of the identity, percent-encoded' } }),
  querystring: parameters({}),
  response: {
    ...accepted('it will be done, whatever happens to the worker', 'EraseAccepted'),
    ...problemsOf(['bad_identity', 'bad_query', 'unknown_namespace', 'too_many_writes', 'shard_halted', ...NOT_THERE]),
  },
} as const;

export const DELETE_DATASET_SCHEMA = {
  tags: ['writes'],
  summary: 'Delete what a dataset has said about every profile',
  params: parameters({ dataset: DATASET }),
  querystring: parameters({ confirm: { type: 'string', description: 'the name of the dataset once more' } }),
  response: {
    ...accepted('the delete is in the log of every shard; a sweep takes it through their profiles', 'DatasetDeleted'),
    ...problemsOf([
      'bad_query',
      'not_confirmed',
      'unknown_dataset',
      'too_many_writes',
      'append_failed',
      'not_allowed',
      ...NOT_THERE,
    ]),
  },
} as const;
