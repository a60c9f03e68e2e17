// POST /profiles/lookup: many profiles in one answer, in the order in which they were asked for.
// LK1: one that cannot be read is an error in its place, and fails none of the others.
// LK2: it has an end: so many reads at once, so much time for all of them, so many bytes; between reads others have their turn.
import { setImmediate as turn } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { VisageError } from '../base/errors.ts';
import type { ProfileQuery, ReadService } from '../ports/reads.ts';
import { refTo } from './answer_schemas.ts';
import type { Answer } from './answers.ts';
import type { OnDefect } from './application.ts';
import { parseJsonBodies } from './bodies.ts';
import { saidOf } from './problem.ts';
import { timeoutMsOf } from './read_query.ts';
import { POLICY, TIMEOUT } from './request_schemas.ts';
import { answersOf } from './route_schema.ts';

const IDENTITIES_MAX = 1_000;
const FIELDS_MAX = 100;
const AT_ONCE = 32;
/** What is in memory is read in a few µs each: without a pause a thousand would hold the loop. */
const READS_A_TURN = 4;
const TIMEOUT_MS = 5_000;
/** A thousand ids of 512 bytes, and what is around them. */
const BODY_BYTES_MAX = 1024 * 1024;
const ANSWER_BYTES_MAX = 16 * 1024 ** 2;

type Identity = { readonly namespace: string; readonly id: string };
type Asked = {
  readonly identities: readonly Identity[];
  readonly policy?: string;
  readonly fields?: readonly string[];
  readonly timeout?: string;
};

/** Not by content type: then no body at all would be good. */
const BODY = {
  type: 'object',
  additionalProperties: false,
  required: ['identities'],
  properties: {
    identities: {
      type: 'array',
      minItems: 1,
      maxItems: IDENTITIES_MAX,
      description: `1 to ${IDENTITIES_MAX} identities`,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['namespace', 'id'],
        properties: { namespace: { type: 'string' }, id: { type: 'string' } },
      },
    },
    policy: POLICY,
    fields: { type: 'array', items: { type: 'string' }, maxItems: FIELDS_MAX, description: 'only these fields' },
    timeout: TIMEOUT,
  },
  examples: [{ identities: [{ namespace: 'customerId', id: '17850' }], fields: ['spend30d'], timeout: '2s' }],
};

export type LookupRoutes = { readonly reads: ReadService; readonly answer: Answer; readonly onDefect: OnDefect };

export function lookupRoutes(app: FastifyInstance, options: LookupRoutes): void {
  app.register((part, _, done) => {
    parseJsonBodies(part);
    lookupRoute(part, options);
    done();
  });
}

function lookupRoute(app: FastifyInstance, { reads, answer, onDefect }: LookupRoutes): void {
  app.post<{ Body: Asked }>(
    '/profiles/lookup',
    {
      config: { scope: 'read' },
      bodyLimit: BODY_BYTES_MAX,
      schema: {
        tags: ['profiles'],
        summary: 'Up to 1,000 profiles at once',
        description:
          'Each is answered or has an error of its own (`not_found`, `lookup_timeout`, …); the answer itself is 200 then.',
        body: BODY,
        response: answersOf('the profiles', refTo('LookupAnswer'), ['bad_query', 'bad_body', 'too_many_reads']),
      },
    },
    ({ body, id }, reply) => {
      const atOnce = Math.min(AT_ONCE, body.identities.length);
      return answer(reply, () => lookUp(body, { reads, atOnce, onDefect: (error) => onDefect(error, id) }), atOnce);
    },
  );
}

type With = { readonly reads: ReadService; readonly atOnce: number; readonly onDefect: (error: unknown) => void };

/** @returns the answer as JSON */
async function lookUp({ identities, policy, fields, timeout }: Asked, { reads, atOnce, onDefect }: With): Promise<string> {
  const endMs = performance.now() + (timeout === undefined ? TIMEOUT_MS : timeoutMsOf(timeout));
  const common = { ...(policy === undefined ? {} : { policy }), ...(fields === undefined ? {} : { fields }) };
  const texts = new Array<string>(identities.length);
  let bytes = 0;
  let next = 0;
  const readOne = async (identity: Identity): Promise<string> => {
    if (bytes > ANSWER_BYTES_MAX) throw tooLarge();
    const timeoutMs = Math.floor(endMs - performance.now());
    if (timeoutMs <= 0) throw late();
    const profile = await reads.profile({ ...identity, ...common, timeoutMs } satisfies ProfileQuery);
    if (profile === undefined) throw new VisageError('not_found', 'there is no such profile', { kind: 'usage' });
    const text = JSON.stringify({ ...identity, profile });
    bytes += text.length;
    return text;
  };
  const reader = async (): Promise<void> => {
    for (let n = 1; next < identities.length; n++) {
      const place = next++;
      const identity = identities[place]!;
      try {
        texts[place] = await readOne(identity);
      } catch (error) {
        if (!(error instanceof VisageError)) onDefect(error);
        texts[place] = JSON.stringify({ ...identity, error: saidOf(error) });
      }
      if (n % READS_A_TURN === 0) await turn();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, reader));
  return `{"profiles":[${texts.join(',')}]}`;
}

function late(): VisageError {
  return new VisageError('lookup_timeout', 'there was no time left for this one; ask for fewer, or allow more time', {
    kind: 'retry',
  });
}

function tooLarge(): VisageError {
  return new VisageError('too_large', 'the answer is full; ask for fewer at once, or for fewer fields', { kind: 'refuse' });
}
