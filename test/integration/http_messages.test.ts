// Messages over HTTP, with real workers and a real log: what is stored, as it stands and in order; what is refused, and how; a log that is full or
// away; several workers; a worker that stops meanwhile.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import type { DefinitionsDocument } from '../../src/definitions/definitions_document.ts';
import { jetstreamManagerOf } from '../../src/stream/streams.ts';
import type { Client } from '../../src/worker/client.ts';
import { ask, problemOf, type Answer, type AskOptions } from '../support/ask.ts';
import { eventually, within } from '../support/eventually.ts';
import { DEFINITIONS, startWorld, type StartedWorker, type World } from '../support/world.ts';

const RECORDS = `
  customer:
    class: individual
    behavior: record
    jsonSchema: { type: object }
    identities: [{ path: /personalEmail/address, namespace: email }]
datasets:
  crm: { schema: customer, profile: true }`;
const JSON_TYPE = { 'content-type': 'application/json' };
const NDJSON_TYPE = { 'content-type': 'application/x-ndjson' };
const BODY_BYTES_MAX = 8 * 1024 * 1024;

type Message = { readonly shard?: number; readonly sequence?: number; readonly error?: { code: string; detail: string } };

let world: World;
let document: DefinitionsDocument;
let started: StartedWorker;
let client: Client;
let ids = 0;

beforeAll(async () => {
  world = await startWorld();
  const file = join(world.folder, 'http.yaml');
  writeFileSync(file, DEFINITIONS.replaceAll('SHORT', '3s').replace('\ndatasets:', RECORDS));
  document = loadDefinitionsFile(file);
  started = await world.startReady({}, { setup: true, definitions: document });
  client = await world.client();
});
afterAll(() => world.stop());

/** About nobody else: each test has people of its own. */
const somebody = (): string => `secret-${++ids}`;
const event = (id: string, more: object = {}): object => ({
  _id: `e-${++ids}`,
  timestamp: new Date(Date.now() - 1_000).toISOString(),
  eventType: 'commerce.purchases',
  identityMap: { customerId: [{ id }] },
  commerce: { order: { priceTotal: 10 } },
  ...more,
});

const post = (
  path: string,
  body: string | Uint8Array,
  options: AskOptions = {},
  port = started.worker.ports.httpPort,
): Promise<Answer> => ask(port, path, { method: 'POST', body, ...options, headers: { ...JSON_TYPE, ...options.headers } });
const orders = (body: unknown, options?: AskOptions, port?: number): Promise<Answer> =>
  post('/datasets/orders/messages', typeof body === 'string' ? body : JSON.stringify(body), options, port);
const crm = (body: unknown, headers: Readonly<Record<string, string>> = {}, query = ''): Promise<Answer> =>
  post(`/datasets/crm/messages${query}`, body === null ? '' : JSON.stringify(body), { headers });
const messagesOf = ({ text }: Answer): Message[] => (JSON.parse(text) as { messages: Message[] }).messages;

async function spend(id: string, after: number): Promise<unknown> {
  const view = await client.profile({ namespace: 'customerId', id, after });
  return view?.computed['spendLifetime']?.value;
}

/** The bodies in the log, from a sequence on. */
async function logged(
  dataset: string,
  from: number,
  of = client,
): Promise<{ body: string; sequence: number; subject: string }[]> {
  const found = [];
  for await (const { body, sequence, subject } of of.readDataset(dataset, from - 1))
    found.push({ body: Buffer.from(body).toString(), sequence, subject });
  return found;
}

describe('what is taken', () => {
  test('one message: stored where the answer says, as it stands', async () => {
    const id = somebody();
    const body = JSON.stringify(event(id)).replace('"priceTotal":10', '"priceTotal":1.10, "n": 12345678901234567890');
    const answer = await orders(body);
    expect(answer).toMatchObject({ status: 202, type: 'application/json; charset=utf-8', cache: 'no-store' });
    const [{ shard, sequence }] = messagesOf(answer) as [Required<Message>];
    expect(await logged('orders', sequence)).toEqual([
      { body, sequence, subject: `visage.log.${shard}.in.orders.customerId.${id}` },
    ]);
    expect(await spend(id, sequence)).toBe(1.1);
  });

  test('the trace of the request comes out at the change event', async () => {
    const id = somebody();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const [{ sequence }] = messagesOf(await orders(event(id), { headers: { traceparent, tracestate: 'a=1' } })) as [
      Required<Message>,
    ];
    expect((await client.message('log', sequence))!.headers!()).toMatchObject({ traceparent, tracestate: 'a=1' });
    const [odd] = messagesOf(await orders(event(id), { headers: { traceparent: 'secret' } })) as [Required<Message>];
    expect((await client.message('log', odd.sequence))!.headers!()).not.toHaveProperty('traceparent');
    await spend(id, odd.sequence);
    const changes: string[] = [];
    for await (const { body } of client.readStream('changes', { from: 'start', until: 'now' }))
      changes.push(Buffer.from(body).toString());
    expect(changes.join('')).toContain(`"traceparent":"${traceparent}"`);
  });

  test('an array, and lines: each has its place, in order', async () => {
    const [a, b] = [somebody(), somebody()];
    for (const [join, headers] of [
      [(texts: string[]) => `[ ${texts.join(' , ')} ]`, JSON_TYPE],
      [(texts: string[]) => `\n${texts.join('\r\n\r\n')}`, NDJSON_TYPE],
    ] as const) {
      const bodies = [event(a), event(b), event(a)].map((each) => JSON.stringify(each).replace('10}', '1.10}'));
      const answer = await orders(join(bodies), { headers });
      expect(answer.status).toBe(202);
      const sequences = messagesOf(answer).map(({ sequence }) => sequence!);
      const stored = await logged('orders', Math.min(...sequences));
      const bySequence = new Map(stored.map((each) => [each.sequence, each.body]));
      expect(sequences.map((sequence) => bySequence.get(sequence))).toEqual(bodies);
    }
  });

  test('the envelope of the reference product, one and a batch', async () => {
    const id = somebody();
    const envelope = (payload: object): string =>
      `{"header":{"datasetId":"x","operations":{"data":"create"}},"body":{"xdmMeta":{},"xdmEntity":${JSON.stringify(payload).replace('10}', '1.10}')}}}`;
    const one = await orders(envelope(event(id)));
    const batch = await orders(`{"messages":[${envelope(event(id))},${envelope(event(id))}]}`);
    expect([one.status, batch.status]).toEqual([202, 202]);
    const [first, , third] = [...messagesOf(one), ...messagesOf(batch)] as Required<Message>[];
    for (const { body } of await logged('orders', first!.sequence)) expect(body).toMatch(/^\{"_id".*1\.10/);
    expect(await spend(id, third!.sequence)).toBe(3.3);
  });

  test('whose a message is: the query, the highest namespace, a field that the schema names', async () => {
    const id = `${somebody()}/é`;
    const { identityMap: _, ...anonymous } = event(id) as Record<string, unknown>;
    const answer = await post(
      `/datasets/orders/messages?namespace=customerId&id=${encodeURIComponent(id)}`,
      JSON.stringify(anonymous),
    );
    expect(answer.status).toBe(202);
    expect(await spend(id, messagesOf(answer)[0]!.sequence!)).toBe(10);
    const higher = somebody();
    const both = await orders(event(higher, { identityMap: { email: [{ id: 'secret@x' }], customerId: [{ id: higher }] } }));
    expect(await spend(higher, messagesOf(both)[0]!.sequence!)).toBe(10);
    const mail = `${somebody()}@example.com`;
    const [row] = messagesOf(await crm({ personalEmail: { address: mail } }));
    expect(await client.profile({ namespace: 'email', id: mail, after: row!.sequence! })).toMatchObject({
      attributes: { personalEmail: { address: mail } },
    });
  });

  test('records: operations, last updated, a delete without a body', async () => {
    const id = somebody();
    const identityMap = { customerId: [{ id }] };
    const query = `?namespace=customerId&id=${id}`;
    const attributes = async (answer: Answer): Promise<unknown> => {
      expect(answer.status).toBe(202);
      return (await client.profile({ namespace: 'customerId', id, after: messagesOf(answer)[0]!.sequence! }))?.attributes;
    };
    const at = (second: number): Record<string, string> => ({ 'visage-last-updated': `2026-01-01T00:00:0${second}Z` });
    expect(await attributes(await crm({ identityMap, a: 1, b: 1 }, at(1)))).toEqual({ a: 1, b: 1 });
    expect(await attributes(await crm({ b: 2 }, { ...at(2), 'visage-operation': 'merge' }, query))).toEqual({ a: 1, b: 2 });
    expect(await attributes(await crm({ b: 3 }, { ...at(1), 'visage-operation': 'merge' }, query))).toEqual({ a: 1, b: 2 });
    expect(await attributes(await crm(null, { ...at(3), 'visage-operation': 'delete' }, query))).toBeUndefined();
    // an envelope says its own
    const merge = { header: { operations: { data: 'merge' } }, body: { xdmEntity: { identityMap, c: 1 } } };
    await crm({ identityMap, a: 5 });
    expect(await attributes(await crm(merge))).toEqual({ a: 5, c: 1 });
  });

  test('of one person the records of a request come in their order', async () => {
    const [id, other] = [somebody(), somebody()];
    const rows = Array.from({ length: 300 }, (_, n) => ({ identityMap: { customerId: [{ id: n % 7 === 0 ? other : id }] }, n }));
    const messages = messagesOf(await crm(rows)) as Required<Message>[];
    expect(messages).toHaveLength(300);
    const mine = messages.filter((_, n) => n % 7 !== 0).map(({ sequence }) => sequence);
    expect(mine).toEqual([...mine].sort((a, b) => a - b));
    expect(await client.profile({ namespace: 'customerId', id, after: mine.at(-1)! })).toMatchObject({ attributes: { n: 299 } });
  });

  test('ten thousand in one request', async () => {
    const id = somebody();
    const lines = Array.from({ length: 10_000 }, () => JSON.stringify(event(id, { commerce: { order: { priceTotal: 1 } } })));
    const answer = await orders(lines.join('\n'), { headers: NDJSON_TYPE });
    expect(answer.status).toBe(202);
    const sequences = messagesOf(answer).map(({ sequence }) => sequence!);
    expect(new Set(sequences).size).toBe(10_000);
    await within(
      'all are applied',
      20_000,
      eventually('the sum', async () => (await spend(id, 0)) === 10_000),
    );
  });
});

describe('what is refused', () => {
  test('of several each for itself: the others are stored', async () => {
    const id = somebody();
    const answer = await orders(
      [
        JSON.stringify(event(id)),
        '{"secret',
        '[1]',
        JSON.stringify(event(id, { identityMap: {} })),
        JSON.stringify(event(id, { identityMap: { customerId: [{ id }, { id: 'secret-other' }] } })),
        JSON.stringify(event(id, { identityMap: { planet: [{ id: 'secret-mars' }] } })),
        JSON.stringify(event(id, { identityMap: { customerId: [{ id: '\ud800' }] } })),
        '{"header":{"operations":{"data":"secret"}},"body":{"xdmEntity":{}}}',
        '{"header":{"operations":{"data":"merge"}},"body":{"xdmEntity":{}}}',
        JSON.stringify(event(id, { fill: 'x'.repeat(1024 * 1024) })),
        JSON.stringify(event(id)),
      ].join('\n'),
      { headers: NDJSON_TYPE },
    );
    expect(answer.status).toBe(202);
    const messages = messagesOf(answer);
    expect(messages.map(({ error, sequence }) => error?.code ?? typeof sequence)).toEqual([
      'number',
      'malformed',
      'malformed',
      'no_identity',
      'ambiguous_identity',
      'unknown_namespace',
      'bad_identity',
      'malformed',
      'bad_operation',
      'too_large',
      'number',
    ]);
    expect(answer.text).not.toContain('secret');
    expect(await spend(id, messages.at(-1)!.sequence!)).toBe(20);
  });

  test('when each of them is at fault: 422, and each is told why', async () => {
    const problem = problemOf(await orders([{ n: 1 }, 5]));
    expect(problem).toMatchObject({
      status: 422,
      code: 'all_refused',
      detail: '0 of 2 messages are stored: each says why',
      messages: [{ error: { code: 'no_identity' } }, { error: { code: 'malformed' } }],
    });
  });

  test.each<[string, string, string | Uint8Array, Readonly<Record<string, string>>, number, string]>([
    ['a dataset that is not defined', '/datasets/secret/messages', '{}', {}, 404, 'unknown_dataset'],
    ['whole profiles', '/datasets/_profile/messages', '{}', {}, 404, 'unknown_dataset'],
    ['an operation that is none', '/datasets/crm/messages', '{}', { 'visage-operation': 'secret' }, 422, 'bad_header'],
    ['an operation of whole profiles', '/datasets/crm/messages', '{}', { 'visage-operation': 'erase' }, 422, 'bad_header'],
    ['a merge of an event', '/datasets/orders/messages', '{}', { 'visage-operation': 'merge' }, 422, 'bad_operation'],
    [
      'last updated of an event',
      '/datasets/orders/messages',
      '{}',
      { 'visage-last-updated': '2026-01-01T00:00:00Z' },
      422,
      'bad_operation',
    ],
    ['a time that is none', '/datasets/crm/messages', '{}', { 'visage-last-updated': 'secret' }, 422, 'bad_header'],
    ['another type', '/datasets/orders/messages', 'secret', { 'content-type': 'text/plain' }, 415, 'unsupported_type'],
    [
      'a form',
      '/datasets/orders/messages',
      '{}',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'unsupported_type',
    ],
    ['half an array', '/datasets/orders/messages', '[{"secret', {}, 400, 'malformed'],
    ['no UTF-8', '/datasets/orders/messages', new Uint8Array([0x22, 0xff, 0x22]), {}, 400, 'malformed'],
    ['nothing', '/datasets/orders/messages', '', {}, 400, 'no_messages'],
    ['an empty array', '/datasets/orders/messages', '[]', {}, 400, 'no_messages'],
    ['too many', '/datasets/orders/messages', `[${'1,'.repeat(10_000)}1]`, {}, 422, 'too_many_messages'],
    ['a namespace without an id', '/datasets/orders/messages?namespace=secret', '{}', {}, 422, 'bad_query'],
    ['an id twice', '/datasets/orders/messages?namespace=customerId&id=1&id=secret', '{}', {}, 422, 'bad_query'],
    ['one identity for two', '/datasets/orders/messages?namespace=customerId&id=secret', '[{},{}]', {}, 422, 'bad_query'],
    ['a namespace that is not defined', '/datasets/orders/messages?namespace=secret&id=1', '{}', {}, 422, 'unknown_namespace'],
    ['a namespace that is none', '/datasets/orders/messages?namespace=secret%40x&id=1', '{}', {}, 422, 'bad_identity'],
    ['an id that says nobody', '/datasets/orders/messages?namespace=customerId&id=null', '{}', {}, 422, 'blocked_id'],
    ['an unknown parameter', '/datasets/orders/messages?secret=1', '{}', {}, 422, 'bad_query'],
  ])('%s', async (_, path, body, headers, status, code) => {
    const before = (await client.streamState('log')).lastSequence;
    const answer = await post(path, body, { headers });
    expect(problemOf(answer)).toMatchObject({ status, code });
    expect(answer.text).not.toContain('secret');
    for (const dataset of ['orders', 'crm']) expect(await logged(dataset, before + 1)).toEqual([]);
  });

  test('too much, before it is sent', async () => {
    const socket = await open();
    const said = heard(socket);
    socket.write(declared(BODY_BYTES_MAX + 1));
    expect(await within('it is told', 1_000, said)).toMatch(/^HTTP\/1\.1 413 [^]*"code":"body_too_large"/);
  });

  test('what comes in drops of no known length, and more than there may be', async () => {
    const socket = await open();
    socket.write(
      `POST /datasets/orders/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const said = heard(socket);
    const send = (bytes: number): unknown => socket.write(`${bytes.toString(16)}\r\n${' '.repeat(bytes)}\r\n`);
    for (let n = 0; n < 8; n++) send(1024 * 1024);
    send(1);
    expect(await within('it is told', 5_000, said)).toMatch(/^HTTP\/1\.1 413 /);
  });
});

async function open(): Promise<Socket> {
  const socket = connect(started.worker.ports.httpPort!, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** What the other side says, up to the end of a problem. */
function heard(socket: Socket): Promise<string> {
  let said = '';
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.endsWith('}')) resolve(said);
    });
    socket.on('close', () => resolve(said));
  });
}

const declared = (bytes: number): string =>
  `POST /datasets/orders/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n`;

test('many large ones at once: what there is no room for is told so before its body is read, and later there is room', async () => {
  const large = await Promise.all(Array.from({ length: 4 }, () => open()));
  for (const socket of large) socket.write(declared(BODY_BYTES_MAX));
  const turnedAway = await eventually('one more is turned away', async () => {
    const answer = await orders({ n: 1 });
    return answer.status === 429 ? answer : undefined;
  });
  expect(problemOf(turnedAway)).toMatchObject({ code: 'too_many_writes' });
  expect(turnedAway.headers['retry-after']).toBe('1');
  const another = await open();
  const said = heard(another);
  another.write(declared(BODY_BYTES_MAX)); // and no body
  expect(await within('it is told at once', 1_000, said)).toMatch(/^HTTP\/1\.1 429 /);
  for (const socket of large) socket.destroy(); // they never say the rest
  await eventually('there is room', async () => (await orders(event(somebody()))).status === 202);
  const many = await Promise.all(
    Array.from({ length: 12 }, () => orders(`[${JSON.stringify(event(somebody()))}${' '.repeat(4_000_000)}]`)),
  );
  const told = many.map(({ status }) => status);
  // on a machine that is busy one may take longer than a request may take to arrive
  expect(told.filter((status) => ![202, 408, 429].includes(status))).toEqual([]);
  expect(told).toContain(202);
  expect((await orders(event(somebody()))).status).toBe(202);
});

test('what comes behind another request of its connection is refused, and takes no room when the connection ends', async () => {
  const behind = `POST /datasets/orders/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${BODY_BYTES_MAX}\r\n\r\n[`;
  const { httpPort } = started.worker.ports;
  for (let n = 0; n < 8; n++) {
    const socket = connect(httpPort!, '127.0.0.1');
    socket.write(`GET /profiles/customerId/${somebody()}/changes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${behind}`);
    await once(socket, 'data'); // the first is answered, the second was looked at
    socket.destroy();
    await once(socket, 'close');
  }
  expect((await post('/datasets/orders/messages', JSON.stringify(event(somebody())))).status).toBe(202);
});

test('a log that is full is 429, and there is nothing of it in the log; when there is room it goes on', async () => {
  const overrides = { root: 'full', 'log.maxBytes': '1MB', instance: 'full', dataDirectory: join(world.folder, 'full') };
  const { worker } = await world.startReady(overrides, { setup: true, definitions: document });
  const at = await world.client(overrides);
  const port = worker.ports.httpPort;
  expect((await orders(event('first'), {}, port)).status).toBe(202);
  /** Fills what is left, past any pacing. */
  const fits = async (bytes: number): Promise<boolean> =>
    (await at.nc.request('full.in.refunds.customerId.x', 'x'.repeat(bytes), { timeout: 2_000 })).json<{ error?: object }>()
      .error === undefined;
  for (const bytes of [60_000, 1_000]) while (await fits(bytes));
  const before = (await at.streamState('log')).lastSequence;
  const answer = await orders([event('second', { fill: 'x'.repeat(5_000) }), { n: 1 }], {}, port);
  expect(problemOf(answer)).toMatchObject({
    status: 429,
    code: 'log_full',
    messages: [{ error: { code: 'log_full' } }, { error: { code: 'no_identity' } }],
  });
  expect(answer.headers['retry-after']).toBe('10');
  expect(await logged('orders', before + 1, at)).toEqual([]);
  await (await jetstreamManagerOf(at.nc)).streams.update('FULL_LOG', { max_bytes: 100 * 1024 * 1024 });
  const again = await eventually('there is room', async () => {
    const later = await orders(event('second', { fill: 'x'.repeat(5_000) }), {}, port);
    return later.status === 202 ? later : undefined;
  });
  const view = await at.profile({ namespace: 'customerId', id: 'second', after: messagesOf(again)[0]!.sequence! });
  expect(view?.computed['spendLifetime']?.value).toBe(10);
  await worker.stop();
}, 60_000);

test('two workers both take them', async () => {
  const other = await world.startReady({ instance: 'second', dataDirectory: join(world.folder, 'second') });
  const id = somebody();
  let last = 0;
  for (const port of [started.worker.ports.httpPort, other.worker.ports.httpPort, started.worker.ports.httpPort]) {
    const [{ sequence }] = messagesOf(await orders(event(id), {}, port)) as [Required<Message>];
    last = sequence;
  }
  expect(await spend(id, last)).toBe(30);
  await other.worker.stop();
}, 60_000);

test('a worker that stops meanwhile: whoever was taken in is answered, and nothing is in the log that nobody was told of', async () => {
  const overrides = { root: 'drained', instance: 'drained', dataDirectory: join(world.folder, 'drained') };
  const { worker } = await world.startReady(overrides, { setup: true, definitions: document });
  const at = await world.client(overrides);
  const port = worker.ports.httpPort;
  const told = new Set<number>();
  const outcomes: Record<string, number> = {};
  let stopped = false;
  const sender = async (n: number): Promise<void> => {
    while (!stopped) {
      const lines = Array.from({ length: 500 }, () => JSON.stringify(event(`c-${n}-${++ids}`)));
      const outcome = await orders(lines.join('\n'), { headers: NDJSON_TYPE }, port).then(
        (answer) => {
          if (answer.status === 202) for (const { sequence } of messagesOf(answer)) told.add(sequence!);
          return answer.status === 202 ? '202' : `${answer.status} ${problemOf(answer).code}`;
        },
        (error: NodeJS.ErrnoException) => String(error.code),
      );
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (outcome !== '202') return; // it is on its way out
    }
  };
  const senders = Array.from({ length: 4 }, (_, n) => sender(n));
  await eventually('all of them are at it', () => told.size > 10_000);
  await within('it stops', 40_000, worker.stop());
  stopped = true;
  await within('each has an answer', 5_000, Promise.all(senders));
  const stored = (await logged('orders', 1, at)).map(({ sequence }) => sequence);
  expect(stored.filter((sequence) => !told.has(sequence))).toEqual([]);
  expect(stored.length).toBe(told.size);
  const { 202: taken, '503 stopped': turnedAway, ECONNREFUSED: gone, ECONNRESET: cut, ...others } = outcomes;
  expect(others).toEqual({});
  expect(taken).toBeGreaterThan(20);
  expect((turnedAway ?? 0) + (gone ?? 0) + (cut ?? 0)).toBeLessThanOrEqual(4);
}, 90_000);

test('a server that is away is 503; nothing is lost or told twice; when it is back it goes on', async () => {
  const id = somebody();
  expect((await orders(event(id))).status).toBe(202);
  await world.restartServer('stop', async () => {
    const answer = await within('it has an end', 20_000, orders([event(id), event(id)]));
    const problem = problemOf(answer) as unknown as { status: number; messages: Message[] };
    expect(problem.status).toBe(503);
    expect(problem.messages.map(({ error }) => error?.code)).toEqual(['unavailable', 'unavailable']);
    expect(answer.headers['retry-after']).toBe('2');
  });
  const again = await eventually('it is back', async () => {
    const later = await orders(event(id));
    return later.status === 202 ? later : undefined;
  });
  const { sequence } = messagesOf(again)[0]!;
  await eventually('it is read', async () => (await spend(id, sequence!)) === 20, { timeoutMs: 40_000 });
}, 90_000);

test('they are counted, and nothing about anybody is in the log', async () => {
  const { text } = await ask(started.worker.ports.adminPort, '/metrics');
  for (const outcome of ['stored', 'refused', 'busy', 'unavailable'])
    expect(
      Number(new RegExp(`^visage_http_messages_total\\{outcome="${outcome}"\\} (\\d+)`, 'm').exec(text)?.[1]),
    ).toBeGreaterThan(0);
  expect(started.log.join('')).not.toMatch(/secret|mars/);
  expect(started.log.filter((line) => line.includes('a request failed'))).toEqual([]);
});
