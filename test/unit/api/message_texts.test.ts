// What a body holds, message by message, as it stands.
import { expect, test } from 'vitest';
import { messageTexts, MESSAGES_MAX } from '../../../src/api/message_texts.ts';
import type { VisageError } from '../../../src/base/errors.ts';

const texts = (body: string, format: 'json' | 'ndjson' = 'json'): readonly string[] => messageTexts(Buffer.from(body), format);
const codeOf = (body: string | Uint8Array, format: 'json' | 'ndjson' = 'json'): string => {
  try {
    messageTexts(Buffer.from(body), format);
  } catch (error) {
    return (error as VisageError).code;
  }
  return 'none';
};
const ENVELOPE = '{ "header": {}, "body": { "xdmEntity": { "n": 1.10 } } }';

test.each<[string, string, readonly string[]]>([
  ['one', ' {"n": 1.10}\n', [' {"n": 1.10}\n']],
  ['an array', '[{"n": 1.10}, {"n":12345678901234567890}]', ['{"n": 1.10}', '{"n":12345678901234567890}']],
  ['one envelope', ENVELOPE, [ENVELOPE]],
  ['a batch of envelopes', `{"messages" : [${ENVELOPE}, ${ENVELOPE}]}`, [ENVELOPE, ENVELOPE]],
  ['a payload with a field of that name', '{"messages":[{"text":"hello"}]}', ['{"messages":[{"text":"hello"}]}']],
  ['a payload with more than that', `{"messages":[${ENVELOPE}],"n":1}`, [`{"messages":[${ENVELOPE}],"n":1}`]],
  ['what is no message', '1', ['1']],
  ['a byte order mark', '\ufeff{"n":1}', ['{"n":1}']],
])('%s', (_, body, expected) => {
  expect(texts(body)).toEqual(expected);
});

test('lines: CRLF, blank ones, no end of the last, and one that is wrong is no trouble of the others', () => {
  expect(texts('{"n":1}\r\n\n  \n{oops\n{"n":2}', 'ndjson')).toEqual(['{"n":1}', '{oops', '{"n":2}']);
});

test.each<[string, string | Uint8Array, 'json' | 'ndjson', string]>([
  ['nothing', '', 'json', 'no_messages'],
  ['blanks', ' \n ', 'ndjson', 'no_messages'],
  ['an empty array', '[]', 'json', 'no_messages'],
  ['half an array', '[{"n":1}', 'json', 'malformed'],
  ['an array with more behind it', '[{"n":1}] x', 'json', 'malformed'],
  ['what is no UTF-8', new Uint8Array([0x7b, 0xff, 0x7d]), 'json', 'malformed'],
  ['too many in an array', `[${'1,'.repeat(MESSAGES_MAX)}1]`, 'json', 'too_many_messages'],
  ['too many lines', '1\n'.repeat(MESSAGES_MAX + 1), 'ndjson', 'too_many_messages'],
])('%s', (_, body, format, code) => {
  expect(codeOf(body, format)).toBe(code);
});

test('as many as there may be', () => {
  expect(texts(`[${'1,'.repeat(MESSAGES_MAX - 1)}1]`)).toHaveLength(MESSAGES_MAX);
  expect(texts('1\n'.repeat(MESSAGES_MAX), 'ndjson')).toHaveLength(MESSAGES_MAX);
});
