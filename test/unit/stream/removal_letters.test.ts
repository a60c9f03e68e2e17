// Which dead letters are about an identity or name it, and which only look like it.
import { describe, expect, it } from 'vitest';
import type { LogMessage } from '../../../src/message/log_message.ts';
import { packMap } from '../../../src/message/write_message_pack.ts';
import { isNamed, namedIn, namesOf } from '../../../src/stream/removal_letters.ts';

const ADA = { namespace: 'email', id: 'ada@x.org' };

function letter(fields: Record<string, unknown>): LogMessage {
  const whole = {
    reason: 'malformed',
    errors: [],
    subject: 'visage.in.orders.email.bob',
    dataset: 'orders',
    sequence: 7,
    headers: {},
    ...fields,
  };
  return message('visage.dead.3.orders', JSON.stringify(whole));
}

function message(subject: string, body: string, headers: Record<string, string> | null = null): LogMessage {
  return { sequence: 1, stampMs: 0, subject, body: new TextEncoder().encode(body), headers: headers && (() => headers) };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

function isAbout(found: LogMessage, identity = ADA): boolean {
  return isNamed(namesOf(identity), namedIn(found, 'visage'));
}

describe('a letter', () => {
  it.each([
    ['its subject', { subject: 'visage.in.orders.email.ada%40x%2Eorg' }],
    ['a string of its body', { body: '{"identityMap":{"email":[{"id":"ada@x.org"}]}}' }],
    ['an encoded one', { body: '{"to":["email","ada%40x%2Eorg"]}' }],
    ['a body that is no JSON', { body: '{"id":"ada@x.org"' }],
    ['a body cut in the middle of a text in a text', { body: '{"raw":"{\\"id\\":\\"ada@x.org\\"}' }],
    ['bytes that are no UTF-8', { bodyBase64: Buffer.from('\xff{"id":"ada@x.org"', 'latin1').toString('base64') }],
    ['a MessagePack body', { bodyBase64: base64(packMap({ to: [{ who: 'ada@x.org' }], n: 1 })) }],
    ['one that is cut', { bodyBase64: base64(packMap({ to: [{ who: 'ada@x.org' }], n: 1 }).subarray(0, -2)) }],
    ['the identityMap of one', { bodyBase64: base64(packMap({ identityMap: { email: [{ id: 'ada@x.org' }] } })) }],
    ['a JSON text inside of a string', { body: JSON.stringify({ raw: JSON.stringify({ id: 'ada@x.org' }) }) }],
    ['a header', { headers: { 'X-User': 'ada@x.org' } }],
    ['a key', { body: '{"friends":{"ada@x.org":1}}' }],
    ['a place', { errors: [{ pointer: '/friends/ada@x.org/since', keyword: 'type', message: 'must be number' }] }],
    ['what is said about it', { errors: [{ pointer: '/id', keyword: 'x', message: "'ada@x.org' is blocked" }] }],
  ])('names the identity in %s', (_, fields) => {
    expect(isAbout(letter(fields))).toBe(true);
  });

  it.each([
    ['another subject', { subject: 'visage.in.orders.email.ada%40x%2Eorgan' }],
    ['another namespace', { subject: 'visage.in.orders.phone.bob' }],
    ['a longer string', { body: '{"id":"ada@x.organ","also":"not ada@x.org"}' }],
    ['a body that is no JSON', { body: '{"id":"ada@x.organ"' }],
    ['a longer string in a MessagePack body', { bodyBase64: base64(packMap({ to: 'ada@x.organ' })) }],
  ])('does not, with %s', (_, fields) => {
    expect(isAbout(letter(fields))).toBe(false);
  });

  it('names a number, and a word only where identities stand', () => {
    const number = { namespace: 'customerId', id: '17850' };
    expect(isAbout(letter({ body: '{"customer":17850}' }), number)).toBe(true);
    const word = { namespace: 'customerId', id: 'purchase' };
    expect(isAbout(letter({ body: '{"eventType":"purchase","purchase":1}' }), word)).toBe(false);
    expect(isAbout(letter({ body: '{"identityMap":{"customerId":[{"id":"purchase"}]}}' }), word)).toBe(true);
    expect(isAbout(letter({ body: '{"identityMap":{"email":[{"id":"purchase"}]}}' }), word)).toBe(false);
    expect(isAbout(letter({ subject: 'visage.in.orders.customerId.purchase' }), word)).toBe(true);
  });

  it.each(['orders', 'malformed', '7', 'email', 'sequence'])('is not named by its own words: an id %s', (id) => {
    expect(isAbout(letter({ body: '{"sequence":7,"price":7}' }), { namespace: 'customerId', id })).toBe(false);
  });
});

describe('a message with the wrong number of tokens', () => {
  it.each([
    'visage.in.orders.email.ada@x.org',
    'visage.in.orders.ada@x.org',
    'visage.in.orders.email.ada%40x%2Eorg.more',
    'visage.in.orders.email.more.ada@x.org',
  ])('is about the identity that it has in its subject: %s', (subject) => {
    expect(isAbout(message(subject, ''))).toBe(true);
  });

  it('is not, when another is in it; its dataset and namespace are no ids', () => {
    expect(isAbout(message('visage.in.orders.email.bob@x.org', ''))).toBe(false);
    expect(isAbout(message('visage.in.orders.email.bob.x', ''), { namespace: 'customerId', id: 'orders' })).toBe(false);
    expect(isAbout(message('visage.in.orders.email.bob.x', ''), { namespace: 'customerId', id: 'email' })).toBe(false);
  });

  it('names it in its body or headers', () => {
    expect(isAbout(message('visage.in.a.b.c.d', '{"id":"ada@x.org"}'))).toBe(true);
    expect(isAbout(message('visage.in.a.b.c.d', '', { 'X-User': 'ada@x.org' }))).toBe(true);
    expect(isAbout(message('visage.in.a.b.c.d', '{"id":"bob"}'))).toBe(false);
  });
});

it('a letter says where in the log its message was; what the log never had is before everything', () => {
  expect(namedIn(letter({ sequence: 12 }), 'visage').logSequence).toBe(12);
  expect(namedIn(message('visage.in.a.b.c.d', '{"sequence":12}'), 'visage').logSequence).toBe(0);
});
