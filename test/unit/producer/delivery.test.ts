// What an answer of the server means, and what a message that is given up is called.
import { headers } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { VisageError } from '../../../src/base/errors.ts';
import { answerOf, givenUp } from '../../../src/producer/delivery.ts';

/** A message as the client gives it. */
function message(body: string, code?: number): Parameters<typeof answerOf>[0] {
  return {
    data: new TextEncoder().encode(body),
    json: <T>() => JSON.parse(body) as T,
    ...(code === undefined ? {} : { headers: headers(code, 'No Responders') }),
  };
}
const refused = (code: number, errCode: number, description: string): ReturnType<typeof message> =>
  message(JSON.stringify({ error: { code, err_code: errCode, description }, stream: 'VISAGE_LOG', seq: 0 }));

describe('answers', () => {
  test('stored, and stored already', () => {
    expect(answerOf(message('{"stream":"VISAGE_LOG","seq":7}'))).toEqual({ kind: 'stored', sequence: 7, duplicate: false });
    expect(answerOf(message('{"stream":"VISAGE_LOG","domain":"hub","seq":7,"duplicate": true}'))).toEqual({
      kind: 'stored',
      sequence: 7,
      duplicate: true,
    });
  });

  test.each<[string, ReturnType<typeof message>, string]>([
    ['nobody listens', message('', 503), 'no_responders'],
    ['the log is full', refused(503, 10077, 'maximum bytes exceeded'), 'log_full'],
    ['no leader', refused(503, 10008, 'JetStream system temporarily unavailable'), 'unavailable'],
    ['too many at once', refused(429, 10167, 'too many requests'), 'unavailable'],
    ['a time limit inside of the server', refused(408, 10000, 'request timeout'), 'unavailable'],
    ['the account is full', refused(400, 10002, 'resource limits exceeded for account'), 'log_full'],
    ['the memory is full', refused(500, 10028, 'insufficient memory resources available'), 'log_full'],
    ['the storage is full', refused(500, 10047, 'insufficient storage resources available'), 'log_full'],
    ['trouble of the server', refused(500, 10049, 'store failed'), 'unavailable'],
    ['another wait for a server', refused(504, 1, 'gateway timeout'), 'unavailable'],
    ['what it depends on is under way', refused(400, 10164, 'wrong last sequence'), 'in_process'],
    ['an earlier attempt is under way', refused(409, 10158, 'duplicate message id is in process'), 'in_process'],
  ])('may pass: %s', (_name, answer, why) => {
    expect(answerOf(answer)).toMatchObject({ kind: 'later', why });
  });

  test.each<[string, ReturnType<typeof message>, string]>([
    ['an expectation of the headers', refused(400, 10071, 'wrong last sequence: 3'), 'wrong last sequence: 3'],
    ['a client error that is not known', refused(400, 19999, 'no'), 'no'],
    ['an error without anything', message('{"error":{}}'), 'no sequence in the answer'],
    ['no sequence', message('{"stream":"VISAGE_LOG"}'), 'no sequence in the answer'],
    ['a sequence that is a text', message('{"seq":"7"}'), 'no sequence in the answer'],
    ['empty, but nobody says 503', message(''), 'the answer is not an acknowledgement of JetStream'],
    ['a responder that is no stream', message('hello'), 'the answer is not an acknowledgement of JetStream'],
    ['null', message('null'), 'the answer is not an acknowledgement of JetStream'],
    ['a number', message('7'), 'the answer is not an acknowledgement of JetStream'],
  ])('refused: %s', (_name, answer, text) => {
    expect(answerOf(answer)).toEqual({ kind: 'refused', code: 'refused', text });
  });

  test('larger than the stream takes: that message alone', () => {
    const text = 'message size exceeds maximum allowed';
    expect(answerOf(refused(400, 10054, text))).toEqual({ kind: 'refused', code: 'too_large', text });
  });
});

describe('given up', () => {
  const lastRefusal = new VisageError('log_full', 'full', { kind: 'retry' });
  test.each([
    ['never answered', { unclear: true, retryAtMs: 0, lastRefusal: undefined }, 'unknown'],
    ['refused clearly each time', { unclear: false, retryAtMs: 1, lastRefusal }, 'log_full'],
    ['refused, and not answered since', { unclear: false, retryAtMs: 0, lastRefusal }, 'unknown'],
    ['not answered once, and refused since', { unclear: true, retryAtMs: 1, lastRefusal }, 'unknown'],
    ['just sent', { unclear: false, retryAtMs: 0, lastRefusal: undefined }, 'unknown'],
  ])('%s', (_name, delivery, code) => {
    const error = givenUp(delivery, 'within 90 s');
    expect([error.code, error.kind]).toEqual([code, 'retry']);
    if (code === 'unknown') expect(error.message).toContain('no clear answer from the log within 90 s: ');
  });
});
