// What a dead letter is sent again as, and which can't be.
import { expect, test } from 'vitest';
import { sha256, type Letter } from '../../../src/cli/dead_letter.ts';
import { replayedMessage, type ReplayContext } from '../../../src/cli/replayed_message.ts';
import type { LogMessage } from '../../../src/message/log_message.ts';

const TIME = '2026-03-10T09:00:00.000Z';
const BODY = '{"a":1.10}';

function letter(changes: Partial<Letter> = {}, body = BODY): Letter {
  return {
    deadSequence: 17,
    reason: 'unknown_dataset',
    errors: [],
    subject: 'visage.in.crm.email.a%40b',
    dataset: 'crm',
    sequence: 5,
    time: TIME,
    headers: {},
    body,
    bodySha256: sha256(Buffer.from(body)),
    ...changes,
  };
}

function message(changes: Partial<LogMessage> = {}, headers: Readonly<Record<string, string>> = {}): LogMessage {
  const subject = 'visage.log.3.in.crm.email.a%40b';
  return { sequence: 5, stampMs: 1, subject, body: Buffer.from(BODY), headers: () => headers, ...changes };
}

function replayed(of: Letter, context: Partial<ReplayContext> = {}): unknown {
  const found = replayedMessage(of, {
    root: 'visage',
    original: undefined,
    isEvents: () => false,
    rebuiltAt: () => 0,
    isNamed: false,
    ...context,
  });
  return typeof found === 'string' ? found : { ...found, body: Buffer.from(found.body).toString() };
}

const EXPECTED = { dataset: 'crm', identity: { namespace: 'email', id: 'a@b' }, body: BODY };
const UPDATED = { 'Visage-Replay-Of': '17', 'Visage-Last-Updated': TIME };

test('from the log, with its own headers, but for those to the server', () => {
  const headers = {
    'Nats-Msg-Id': 'x',
    'nats-expected-last-sequence': '4',
    'Visage-Operation': 'merge',
    'X-Source': 'shop',
    'visage-replay-of': '3',
  };
  expect(replayed(letter(), { original: message({}, headers) })).toEqual({
    ...EXPECTED,
    headers: { 'Visage-Operation': 'merge', 'X-Source': 'shop', ...UPDATED },
    isFromLetter: false,
  });
});

test('gone from the log, or another message there: from the letter, if it has all of it', () => {
  const fromLetter = { ...EXPECTED, headers: { 'Visage-Operation': 'delete', ...UPDATED }, isFromLetter: true };
  const own = letter({ headers: { 'Visage-Operation': 'delete', 'Nats-Msg-Id': 'x' } });
  expect(replayed(own)).toEqual(fromLetter);
  expect(replayed(own, { original: message({ body: Buffer.from('{}') }) })).toEqual(fromLetter);
  expect(replayed(own, { original: message({ subject: 'visage.log.3.in.crm.email.other' }) })).toEqual(fromLetter);
  const bytes = Buffer.from([0xff, 0x00]);
  const { body: _, ...rest } = letter({ bodyBase64: bytes.toString('base64'), bodySha256: sha256(bytes) });
  expect(
    replayedMessage(rest, { root: 'visage', original: undefined, isEvents: () => false, rebuiltAt: () => 0, isNamed: false }),
  ).toMatchObject({
    body: bytes,
  });
  expect(replayed(letter({ truncated: true }))).toMatch(/only a part of its body/);
  expect(replayed(letter({ bodySha256: sha256(bytes) }))).toMatch(/only a part of its body/);
  expect(replayed(letter({ headersTruncated: true }))).toMatch(/headers cannot be read/);
  expect(replayed(letter({ headersUnreadable: true }))).toMatch(/headers cannot be read/);
  expect(replayed(letter({ truncated: true, headersTruncated: true }), { original: message() })).toMatchObject(EXPECTED);
});

test('headers that the log has and nobody can read', () => {
  const headers = (): never => {
    throw new Error('bad headers');
  };
  expect(replayed(letter(), { original: message({ headers }) })).toMatch(/headers cannot be read/);
});

test('a record without a time of its own gets that of the log; one with it, and an event, do not', () => {
  const audited = '{"extSourceSystemAudit":{"lastUpdatedDate":"2026-01-01T00:00:00Z"}}';
  const said = { 'visage-last-updated': '2026-02-01T00:00:00Z' };
  const headersOf = (of: Letter, context: Partial<ReplayContext> = {}): unknown =>
    (replayed(of, context) as { headers: unknown }).headers;
  expect(headersOf(letter())).toEqual(UPDATED);
  expect(headersOf(letter({}, 'not JSON'))).toEqual(UPDATED);
  expect(headersOf(letter({}, '[]'))).toEqual(UPDATED);
  expect(headersOf(letter({}, audited))).toEqual({ 'Visage-Replay-Of': '17' });
  expect(headersOf(letter({ headers: said }))).toEqual({ 'Visage-Replay-Of': '17', ...said });
  expect(headersOf(letter(), { isEvents: (dataset) => dataset === 'crm' })).toEqual({ 'Visage-Replay-Of': '17' });
});

test.each<[string, Partial<Letter>, RegExp]>([
  [
    'one that never was in the log',
    { sequence: null, subject: 'visage.in.crm.email.a@b.c' },
    /^its subject is wrong.*dead show 17 --body/,
  ],
  ['an id that is not canonical', { subject: 'visage.in.crm.email.a%2eb' }, /^its subject is wrong/],
  ['a dataset that is no name', { subject: 'visage.in.No$uch.email.a' }, /^its subject is wrong/],
  ['a namespace that is no name', { subject: 'visage.in.crm.$x.a' }, /^its subject is wrong/],
  ['too few tokens', { subject: 'visage.in.crm.email' }, /^its subject is wrong/],
  ['a blocked id', { subject: 'visage.in.crm.email.anonymous' }, /^its id is blocked/],
])('unusable: %s', (_name, changes, why) => {
  expect(replayed(letter(changes))).toMatch(why);
});

test('a delete of a whole profile is replayed only when it is named, and has no lastUpdated', () => {
  const whole = letter({
    subject: 'visage.in._profile.email.a%40b',
    dataset: '_profile',
    headers: { 'Visage-Operation': 'delete' },
  });
  expect(replayed(whole)).toMatch(/^it is about a whole profile.*name its sequence/);
  expect(replayed(whole, { isNamed: true })).toMatchObject({
    dataset: '_profile',
    headers: { 'Visage-Operation': 'delete', 'Visage-Replay-Of': '17' },
  });
});

test('what a rebuild has folded anew is not sent again, unless it is named: it may count already', () => {
  const rebuilt = { original: message(), rebuiltAt: () => letter().sequence! + 1 };
  expect(replayed(letter(), rebuilt)).toMatch(/^a rebuild has folded it anew since.*Name its sequence/);
  expect(replayed(letter(), { ...rebuilt, isNamed: true })).toMatchObject(EXPECTED);
  expect(replayed(letter(), { ...rebuilt, rebuiltAt: () => letter().sequence! })).toMatchObject(EXPECTED);
});
