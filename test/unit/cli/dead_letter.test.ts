// A dead letter as it is read and shown.
import { expect, test } from 'vitest';
import { linesOf, readLetter, sha256, summaryOf, wholeBody } from '../../../src/cli/dead_letter.ts';

const ERRORS = [
  { pointer: '/a', keyword: 'type', message: 'must be number' },
  { pointer: '', keyword: 'required', message: 'must have b' },
];
const WRITTEN = {
  reason: 'schema',
  errors: ERRORS,
  errorsTotal: 3,
  subject: 'visage.in.crm.email.a',
  dataset: 'crm',
  sequence: 5,
  time: '2026-03-10T09:00:00.000Z',
  headers: { 'Visage-Operation': 'merge' },
  body: '{"a":1.10}',
  bodySha256: sha256(Buffer.from('{"a":1.10}')),
};

const read = (subject: string, body: string | Uint8Array): ReturnType<typeof readLetter> =>
  readLetter({ sequence: 17, stampMs: 0, subject, body: Buffer.from(body), headers: null }, 'visage');

test('one that a worker wrote', () => {
  const letter = read('visage.dead.0.crm', JSON.stringify(WRITTEN));
  expect(letter).toEqual({ deadSequence: 17, ...WRITTEN });
  expect(summaryOf(letter)).toBe(
    '17  2026-03-10T09:00:00.000Z  schema  visage.in.crm.email.a  sequence 5  /a: must be number; body: must have b',
  );
  expect(linesOf(letter, 'no')).toEqual([
    'dead letter 17',
    '  reason    schema',
    '  subject   visage.in.crm.email.a',
    '  dataset   crm',
    '  log       sequence 5',
    '  time      2026-03-10T09:00:00.000Z',
    '  header    Visage-Operation: merge',
    '  replayed  no',
    'reasons',
    '  /a  type  must be number',
    '  body  required  must have b',
    '  … and 1 more',
    `body: sha256 ${WRITTEN.bodySha256}`,
    '  {',
    '    "a": 1.10',
    '  }',
  ]);
});

test('one that the log did not take', () => {
  const letter = read('visage.in.crm.email.a@b.c', '{}');
  expect(letter).toMatchObject({ deadSequence: 17, reason: 'bad_subject', dataset: null, sequence: null, body: '{}' });
  expect(Buffer.from(wholeBody(letter)!).toString()).toBe('{}');
  const bytes = Uint8Array.of(0xff, 0x20);
  const odd = read('visage.in.crm', bytes);
  expect(odd).toMatchObject({ bodyBase64: '/yA=' });
  expect(Buffer.from(wholeBody(odd)!).equals(bytes)).toBe(true);
  expect(linesOf(odd, 'no').at(-1)).toBe('  not UTF-8; in base64: /yA=');
});

test('a body cannot steer a terminal', () => {
  const letter = read('visage.in.crm', 'x\u001b[2J\u009b1m\ny');
  const lines = linesOf(letter, 'no');
  expect(lines.slice(-2)).toEqual(['  x\\u001b[2J\\u009b1m', '  y']);
  expect(summaryOf({ ...letter, subject: 'a\u001bb' })).toContain('a\\u001bb');
});
