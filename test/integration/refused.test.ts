// F9: whatever is in a message, it becomes a dead letter with pointer and reason, and the shard goes on.
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeId } from '../../src/message/identity.ts';
import type { Connection } from '../../src/nats/connection.ts';
import type { Client } from '../../src/worker/client.ts';
import { eventually } from '../support/eventually.ts';
import { purchase } from '../support/purchase.ts';
import { checkAgainstOracle, checkDeadLetters, exportAll, settled } from '../support/verify.ts';
import { startWorld, type World } from '../support/world.ts';

type Letter = {
  readonly reason: string;
  readonly errors: readonly { readonly pointer: string; readonly keyword: string; readonly message: string }[];
  readonly subject: string;
  readonly dataset: string;
  readonly sequence: number;
  readonly time: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly bodyBase64?: string;
  readonly truncated?: boolean;
  readonly bodySha256: string;
};

/** In every body and id here, so that it is seen if it leaks. */
const SECRET = 'geheim';
const ID = `c-${SECRET}`;
const TIME = '"timestamp":"2026-03-10T09:00:00.000Z"';
const GOOD = `{"_id":"e-${SECRET}",${TIME},"eventType":"commerce.purchases","commerce":{"order":{"priceTotal":1,"channel":"${SECRET}"}}}`;

let world: World;
let nc: Connection;
let client: Client;
let log: readonly string[];
const letters = new Map<number, { letter: Letter; subject: string }>();

beforeAll(async () => {
  world = await startWorld();
  ({ log } = await world.startReady({ 'limits.eventBytes': '100KB' }, { setup: true, definitions: world.document }));
  nc = await world.connect();
  client = await world.client();
  nc.subscribe('visage.dead.>', {
    callback: (error, message) => {
      if (error !== null) return;
      const letter = message.json<Letter>();
      letters.set(letter.sequence, { letter, subject: message.subject });
    },
  });
  await nc.flush();
  await send(`visage.in.orders.customerId.${ID}`, GOOD); // a profile is there: cold keys are looked for in the store
});
afterAll(() => world.stop());

async function send(subject: string, body: string | Uint8Array): Promise<{ stream: string; seq: number }> {
  return (await nc.request(subject, body, { timeout: 5_000 })).json();
}

async function letterOf(sequence: number): Promise<{ letter: Letter; subject: string }> {
  return eventually(`the dead letter of ${sequence}`, () => letters.get(sequence), { timeoutMs: 5_000 });
}

/** The shard of this id takes the next good event. */
async function goesOn(id: string): Promise<void> {
  const event = purchase(id, { _id: `after-${Math.random()}`, atMs: Date.now() - 1_000 });
  const { seq } = await send(`visage.in.orders.customerId.${encodeId(id)}`, event.body);
  expect((await client.profile({ namespace: 'customerId', id, after: seq }))?.version).toBe(seq);
}

type Case = {
  readonly name: string;
  readonly body: string | Uint8Array;
  readonly reason: string;
  /** Pointers of all errors, in order; default: one at ''. */
  readonly pointers?: readonly string[];
  readonly dataset?: string;
  readonly namespace?: string;
  readonly token?: string;
};

const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const CASES: readonly Case[] = [
  { name: 'malformed JSON', body: GOOD.slice(0, -1), reason: 'malformed' },
  { name: 'nothing', body: '', reason: 'malformed' },
  { name: 'an array', body: `[${GOOD}]`, reason: 'malformed' },
  { name: 'a string', body: `"${SECRET}"`, reason: 'malformed' },
  { name: 'null', body: 'null', reason: 'malformed' },
  { name: 'NaN', body: GOOD.replace('1,', 'NaN,'), reason: 'malformed' },
  { name: 'a byte order mark', body: `\ufeff${GOOD}`, reason: 'malformed' },
  {
    name: 'invalid UTF-8',
    body: Buffer.concat([Buffer.from(GOOD.slice(0, -1)), Buffer.from([0xff, 0xfe]), Buffer.from('}')]),
    reason: 'malformed',
  },
  { name: 'no _id', body: `{${TIME}}`, reason: 'missing_id', pointers: ['/_id'] },
  { name: 'an empty _id', body: `{"_id":"",${TIME}}`, reason: 'missing_id', pointers: ['/_id'] },
  { name: 'no timestamp', body: `{"_id":"e-${SECRET}"}`, reason: 'missing_timestamp', pointers: ['/timestamp'] },
  { name: 'neither _id nor timestamp', body: '{}', reason: 'missing_id', pointers: ['/_id', '/timestamp'] },
  { name: 'a time that is none', body: `{"_id":"e","timestamp":"${SECRET}"}`, reason: 'bad_timestamp', pointers: ['/timestamp'] },
  { name: 'a number as time', body: '{"_id":"e","timestamp":1741597200000}', reason: 'bad_timestamp', pointers: ['/timestamp'] },
  {
    name: 'a time without zone',
    body: '{"_id":"e","timestamp":"2026-03-10T09:00:00"}',
    reason: 'bad_timestamp',
    pointers: ['/timestamp'],
  },
  { name: '2099', body: '{"_id":"e","timestamp":"2099-01-01T00:00:00Z"}', reason: 'future', pointers: ['/timestamp'] },
  { name: 'an unknown dataset', body: GOOD, dataset: 'nosuch', reason: 'unknown_dataset', pointers: ['/subject/dataset'] },
  { name: 'a dataset that is no name', body: GOOD, dataset: 'No$uch', reason: 'bad_subject', pointers: ['/subject/dataset'] },
  {
    name: 'an unknown namespace',
    body: GOOD,
    namespace: 'nosuch',
    reason: 'unknown_namespace',
    pointers: ['/subject/namespace'],
  },
  { name: 'an id of 2 KB', body: GOOD, token: SECRET.repeat(340), reason: 'too_large', pointers: ['/subject/id'] },
  { name: 'an id of 513 bytes', body: GOOD, token: 'x'.repeat(513), reason: 'too_large', pointers: ['/subject/id'] },
  {
    name: 'an id of 512 encoded bytes, plus one',
    body: GOOD,
    token: '%C3%A9'.repeat(257),
    reason: 'too_large',
    pointers: ['/subject/id'],
  },
  { name: 'an id in lower-case hex', body: GOOD, token: 'a%2eb', reason: 'bad_subject', pointers: ['/subject/id'] },
  { name: 'an id that is encoded without need', body: GOOD, token: '%61', reason: 'bad_subject', pointers: ['/subject/id'] },
  { name: 'an id that is not UTF-8', body: GOOD, token: '%FF', reason: 'bad_subject', pointers: ['/subject/id'] },
  { name: 'an id of raw UTF-8', body: GOOD, token: `é${SECRET}`, reason: 'bad_subject', pointers: ['/subject/id'] },
  { name: 'a blank id', body: GOOD, token: '%20', reason: 'blocked_id', pointers: ['/subject/id'] },
  { name: 'the id null', body: GOOD, token: 'null', reason: 'blocked_id', pointers: ['/subject/id'] },
  { name: 'a body over the limit', body: `{"_id":"e",${TIME},"x":"${SECRET.repeat(20_000)}"}`, reason: 'too_large' },
  {
    name: '__proto__',
    body: `{"_id":"e",${TIME},"__proto__":{"polluted":1}}`,
    reason: 'forbidden_key',
    pointers: ['/__proto__'],
  },
  {
    name: '__proto__ inside',
    body: `{"_id":"e",${TIME},"a/b":[{"~":{"__proto__":null}}]}`,
    reason: 'forbidden_key',
    pointers: ['/a~1b/0/~0/__proto__'],
  },
  { name: '1e999', body: GOOD.replace(':1,', ':1e999,'), reason: 'not_finite', pointers: ['/commerce/order/priceTotal'] },
  { name: 'deep nesting', body: `{"_id":"e",${TIME},"x":${deep(40)}}`, reason: 'too_large', pointers: [`/x${'/a'.repeat(15)}`] },
  {
    name: 'very deep nesting',
    body: `{"_id":"e",${TIME},"x":${'['.repeat(45_000)}${']'.repeat(45_000)}}`,
    reason: 'too_large',
    pointers: [`/x${'/0'.repeat(15)}`],
  },
  { name: 'an _id that is a number', body: `{"_id":17,${TIME}}`, reason: 'schema', pointers: ['/_id'] },
  { name: 'an _id of 600 characters', body: `{"_id":"${'x'.repeat(600)}",${TIME}}`, reason: 'too_large', pointers: ['/_id'] },
  {
    name: 'an eventType that is a list',
    body: `{"_id":"e",${TIME},"eventType":["a"]}`,
    reason: 'schema',
    pointers: ['/eventType'],
  },
  {
    name: 'an identityMap that is a list',
    body: `{"_id":"e",${TIME},"identityMap":[]}`,
    reason: 'schema',
    pointers: ['/identityMap'],
  },
  {
    name: 'an identity without id',
    body: `{"_id":"e",${TIME},"identityMap":{"email":[{}]}}`,
    reason: 'schema',
    pointers: ['/identityMap/email/0/id'],
  },
  {
    name: '21 identities',
    body: `{"_id":"e",${TIME},"identityMap":{"email":[${'{"id":"a"},'.repeat(20)}{"id":"b"}]}}`,
    reason: 'too_large',
    pointers: ['/identityMap'],
  },
  {
    name: 'a subject that looks like a control message',
    body: '',
    dataset: 'ctl',
    namespace: 'tick',
    token: 'x',
    reason: 'unknown_dataset',
    pointers: ['/subject/dataset'],
  },
  {
    name: 'a subject that looks like definitions',
    body: '{"kind":"definitions"}',
    dataset: 'ctl',
    namespace: 'definitions',
    token: 'x',
    reason: 'unknown_dataset',
    pointers: ['/subject/dataset'],
  },
];

test.for(CASES)('$name', async ({ body, reason, pointers = [''], dataset = 'orders', namespace = 'customerId', token = ID }) => {
  const subject = `visage.in.${dataset}.${namespace}.${token}`;
  const ack = await send(subject, body);
  expect(ack.stream).toBe('VISAGE_LOG');
  const { letter, subject: letterSubject } = await letterOf(ack.seq);
  expect([letter.reason, letter.errors.map(({ pointer }) => pointer)]).toEqual([reason, pointers]);
  for (const error of letter.errors)
    expect(error).toEqual({ pointer: expect.any(String), keyword: expect.any(String), message: expect.stringMatching(/\S/) });
  expect(letter.errors[0]!.keyword).toBe(reason);
  expect(letter).toMatchObject({ subject, dataset, sequence: ack.seq, time: expect.stringMatching(/Z$/), headers: {} });
  expect(letterSubject).toMatch(new RegExp(`^visage\\.dead\\.[0-3]\\.${dataset === 'No$uch' ? '_' : dataset}$`));
  const bytes = Buffer.from(body);
  expect(letter.bodySha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  const kept = letter.body === undefined ? Buffer.from(letter.bodyBase64!, 'base64') : Buffer.from(letter.body);
  expect(kept.equals(bytes.subarray(0, 64 * 1024))).toBe(true);
  expect(letter.truncated === true).toBe(bytes.length > 64 * 1024);
  await goesOn(ID);
});

test('an unencoded dot in an id: stored under its own subject, and nothing of it in the log', async () => {
  const before = (await client.streamState('log')).lastSequence;
  const ack = await send(`visage.in.orders.email.ada@example.com`, GOOD);
  expect(ack.stream).toBe('VISAGE_DEAD');
  expect((await send('visage.in.orders', GOOD)).stream).toBe('VISAGE_DEAD');
  expect((await send('visage.in.orders.email', GOOD)).stream).toBe('VISAGE_DEAD');
  expect((await client.streamState('log')).lastSequence).toBe(before);
  const subjects: string[] = [];
  for await (const message of client.readStream('dead', { from: 'start', until: 'now', filter: 'visage.in.>' }))
    subjects.push(message.subject);
  expect(subjects).toEqual(['visage.in.orders.email.ada@example.com', 'visage.in.orders', 'visage.in.orders.email']);
});

test('a producer cannot make a control message', async () => {
  const ticks = async (): Promise<unknown> => (await client.status()).shards.map((shard) => shard['ticks']);
  await settled(client, 3_500); // every short window is empty: nothing is due
  const before = await ticks();
  const { seq } = await send('visage.in.ctl.tick.x', '');
  expect((await letterOf(seq)).letter.reason).toBe('unknown_dataset');
  expect(await ticks()).toEqual(before);
  for await (const message of client.readLog(0))
    if (message.sequence === seq) expect(message.subject).toBe('visage.log.0.in.ctl.tick.x');
});

test('headers as large as they may be don’t stop the shard', async () => {
  const { headers } = await import('@nats-io/transport-node');
  const h = headers();
  h.set('X-Small', 'kept');
  h.set('X-Large', '"'.repeat(60_000)); // the server takes 64 KB; twice as long in JSON
  const ack: { seq: number } = (
    await nc.request(`visage.in.orders.customerId.${ID}`, '{}', { headers: h, timeout: 5_000 })
  ).json();
  const { letter } = await letterOf(ack.seq);
  expect(letter).toMatchObject({ reason: 'missing_id', headers: { 'X-Small': 'kept' }, headersTruncated: true });
  await goesOn(ID);
});

test('a body with tens of thousands of violations doesn’t stop the shard', async () => {
  const { seq } = await send(
    `visage.in.orders.customerId.${ID}`,
    `{"_id":"e",${TIME},"${'long'.repeat(30)}":[${'1e999,'.repeat(16_000)}1]}`,
  );
  const { letter } = await letterOf(seq);
  expect(letter).toMatchObject({ reason: 'not_finite' });
  expect([letter.errors.length > 10, letter.errors.length <= 100]).toEqual([true, true]); // more of them help nobody
  await goesOn(ID);
});

test('a body of control characters fits into its dead letter', async () => {
  const { seq } = await send(`visage.in.orders.customerId.${ID}`, '\u0001'.repeat(99_000));
  expect((await letterOf(seq)).letter.reason).toBe('malformed');
  await goesOn(ID);
});

test('headers that are none don’t stop the shard', async () => {
  const raw = [
    'NATS/1.0\r\nno colon here\r\n: no name\r\nX: \u00ff\u0001\r\nx: twice\r\nX : spaced\r\n\r\n',
    'NATS/1.0 503 odd\r\n\r\n',
    'NATS/1.0\r\n\r\n',
  ];
  const before = (await client.streamState('log')).lastSequence;
  const socket = connect(world.server.port, '127.0.0.1');
  socket.write('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n');
  for (const block of raw) {
    const head = Buffer.from(block, 'latin1');
    socket.write(`HPUB visage.in.orders.customerId.${ID} ${head.length} ${head.length + 2}\r\n`);
    socket.write(Buffer.concat([head, Buffer.from('{}\r\n')]));
  }
  await eventually('all are in the log', async () => (await client.streamState('log')).lastSequence >= before + raw.length);
  socket.destroy();
  for (let n = 1; n <= raw.length; n++) expect((await letterOf(before + n)).letter.reason).toBe('missing_id');
  await goesOn(ID);
});

test('everything refused is a dead letter, every profile is right, and the log output names nobody', async () => {
  await settled(client, 500);
  const exported = await exportAll(client);
  const verdict = await checkAgainstOracle(client, exported);
  expect(verdict.problems).toEqual([]);
  expect(await checkDeadLetters(client, verdict.oracles)).toMatchObject({ problems: [], repeated: 0 });
  expect(verdict.refused).toBeGreaterThan(CASES.length);
  expect(log.length).toBeGreaterThan(0);
  expect(log.filter((line) => line.includes(SECRET) || /"level":[456]0/.test(line))).toEqual([]);
});
