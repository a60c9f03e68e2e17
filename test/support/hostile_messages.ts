// Messages that nobody should send, and some that anybody may: for events, records and whole profiles, from a seed.
// HM1: the same options give the same messages. HM2: only `customers`, and ids that are odd, get any.
// HM3: subjects are what may follow `<root>.in.`; bodies and headers are any bytes: the server stores whatever it is given.
import { seededRandom, type Random } from '../../src/base/random.ts';
import { formatTime } from '../../src/base/time.ts';
import { chance, changeText, deepText, keyText, objectText, pick, SECRET, valueText } from './hostile_text.ts';

export type HostileMessage = {
  /** `dataset.namespace.id`, or what should have been that. */
  readonly subject: string;
  /** A block as it goes over the wire, `NATS/1.0` and all; null: none. */
  readonly headers: Uint8Array | null;
  readonly body: Uint8Array;
};

export type HostileOptions = {
  readonly seed: number;
  readonly count: number;
  /** Tokens of the customers that messages are about. */
  readonly customers: readonly string[];
  /** When the n-th message is sent: what its times are chosen around. */
  readonly atMs: (n: number) => number;
  /** Of bodies; a few are as long as that. */
  readonly bodyBytesMax: number;
  /** Do some ask for an identity to be erased? Its messages go from the log then. */
  readonly erases: boolean;
};

const EVENT_DATASETS = ['orders', 'views', 'audit'];
const RECORD_DATASETS = ['crm', 'notes', 'shadow'];
const ODD_DATASETS = ['nosuch', '_profile', 'Orders', '_', 'ctl', '__proto__', 'constructor', 'orders$', 'toString'];
const ODD_NAMESPACES = ['nosuch', 'customerid', '__proto__', 'constructor', '~erased', 'email%2E', '-'];
const ODD_TOKENS = [
  'null',
  'undefined',
  'anonymous',
  'invalid',
  '%20',
  '%E3%80%80',
  '%61',
  'a%2eb',
  '%FF',
  '%',
  '%C3',
  '%ED%A0%80',
  'é',
  '~',
  '__proto__',
  'constructor',
  'toString',
  'x'.repeat(512),
  'x'.repeat(513),
  '%C3%A9'.repeat(256),
  '%C3%A9'.repeat(257),
  '%00',
  '%0D%0A',
  '%F0%9F%98%80',
  'ab'.repeat(32),
];
const OPERATIONS = ['create', 'merge', 'merge', 'delete'];
const ODD_OPERATIONS = ['Create', '', 'create, merge', '__proto__', 'constructor', 'create\u0000', 'x'.repeat(3_000), '{}'];
/** The last makes a record grow. */
const TAGS = [
  '["a","b"]',
  '{"$append":["c"]}',
  '{"$remove":["a"],"$append":["d","a"]}',
  'null',
  `{"$append":["${SECRET.repeat(400)}"]}`,
];
const encoder = new TextEncoder();

export function* hostileMessages(options: HostileOptions): Generator<HostileMessage, void, undefined> {
  const random = seededRandom(options.seed);
  for (let n = 0; n < options.count; n++) yield new Maker(random, options, n).message();
}

type Member = readonly [key: string, value: string];

class Maker {
  private readonly random: Random;
  private readonly options: HostileOptions;
  private readonly n: number;
  private readonly atMs: number;
  /** How often what should be right is not: from nearly good messages to those in which nothing is. */
  private readonly odd: number;

  constructor(random: Random, options: HostileOptions, n: number) {
    this.random = random;
    this.options = options;
    this.n = n;
    this.atMs = options.atMs(n);
    this.odd = pick(random, [0, 0, 0.03, 0.03, 0.1, 0.5]);
  }

  message(): HostileMessage {
    const { random } = this;
    const kind = random.below(100);
    const about = kind < 55 ? 'event' : kind < 98 ? 'record' : 'profile';
    const dataset = about === 'profile' ? '_profile' : pick(random, about === 'event' ? EVENT_DATASETS : RECORD_DATASETS);
    const body = about === 'event' ? this.event() : about === 'record' ? this.record(dataset === 'notes') : '';
    return {
      subject: this.subject(this.isOddPlace() ? pick(random, ODD_DATASETS) : dataset),
      headers: about === 'event' && !this.isOdd() ? null : this.headers(about),
      body: this.bytes(body),
    };
  }

  private isOdd(): boolean {
    return chance(this.random, this.odd);
  }

  /** Of subjects: where they are wrong nobody looks at the body. */
  private isOddPlace(): boolean {
    return chance(this.random, this.odd / 4);
  }

  private subject(dataset: string): string {
    const { random } = this;
    const namespace = this.isOddPlace() ? pick(random, ODD_NAMESPACES) : chance(random, 0.95) ? 'customerId' : 'email';
    const token = this.isOddPlace() ? pick(random, ODD_TOKENS) : this.customer();
    return `${dataset}.${namespace}.${token}${this.odd === 0.5 && chance(random, 0.02) ? '.more' : ''}`;
  }

  /** A few are met again and again. */
  private customer(): string {
    const { random } = this;
    const { customers } = this.options;
    return chance(random, 0.3) ? customers[random.below(Math.min(10, customers.length))]! : pick(random, customers);
  }

  private event(): string {
    const { random } = this;
    const members: Member[] = [
      ['_id', this.id()],
      ['timestamp', this.time()],
      ['eventType', this.or(pick(random, ['"buy"', '"view"']))],
      ['price', this.or(pick(random, ['1', '9.99', '0', '0.1', '250000.01']))],
      ['channel', this.or(pick(random, ['"web"', '"store"', '"app"']))],
      ['sku', this.or(pick(random, ['"a-1"', '"b2"', `"${'ab-'.repeat(900)}z"`]))],
      ['items', this.or('[{"a":1,"b":[2]},{"b":[2],"a":2},"x",1]')],
      ['contact', this.or(`{"email":"${SECRET}-${random.below(9)}@example.com"}`)],
      ['tree', this.or('{"kids":[{"kids":[]}]}')],
    ];
    for (const key of ['at', 'link', 'lasts', 'address']) if (this.isOdd()) members.push([key, valueText(random, 2)]);
    return this.body(members);
  }

  /** @param free its schema takes every key */
  private record(free: boolean): string {
    const { random } = this;
    const members: Member[] = [
      ['city', this.or(pick(random, ['"Oslo"', '"Rome"', `"${SECRET}"`, 'null']))],
      ['age', this.or(String(random.below(99)))],
      ['email', this.or(`"${SECRET}-${random.below(9)}@example.com"`)],
      ['tags', this.or(pick(random, TAGS))],
      ['home', this.or(pick(random, ['{"street":"x","zip":null}', '{"zip":"1"}', '{}', 'null']))],
    ];
    if (chance(random, 0.3)) members.push(['_id', this.id()]);
    if (chance(random, 0.3)) members.push(['extSourceSystemAudit', this.or(`{"lastUpdatedDate":${this.time()}}`)]);
    if (this.isOdd()) members.push([keyText(random), changeText(random, 3)]);
    if (free && chance(random, 0.3))
      members.push([keyText(random), pick(random, ['1', '{"a.b":{"[0]":true}}', '{"":[{}]}', '{}'])]);
    return this.body(members);
  }

  /** In any order, some left out, some twice, some that nobody knows. */
  private body(members: Member[]): string {
    const { random } = this;
    const all = members.filter(() => !this.isOdd());
    if (chance(random, 0.08)) all.push(['identityMap', this.or(identityMap(random))]);
    for (let more = this.isOdd() ? 1 + random.below(4) : 0; more > 0; more--) all.push([keyText(random), valueText(random, 4)]);
    if (this.isOdd() && all.length > 0) all.push([pick(random, all)[0], valueText(random, 3)]);
    for (let i = all.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [all[i], all[j]] = [all[j]!, all[i]!];
    }
    return `{${all.map(([key, value]) => `"${key}":${value}`).join()}}`;
  }

  private or(good: string): string {
    return this.isOdd() ? valueText(this.random, 5) : good;
  }

  private id(): string {
    return this.or(chance(this.random, 0.2) ? `"again-${this.random.below(2)}"` : `"e-${this.n}"`);
  }

  private time(): string {
    const { random, atMs } = this;
    const back = pick(random, [0, 0, 1, 1_000, 3_599_999, 3_600_001, random.below(86_400_000), -299_000]);
    const odd = ['1970-01-01T00:00:00Z', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '2099-01-01T00:00:00+14:00'];
    if (this.isOdd()) return chance(random, 0.5) ? `"${pick(random, odd)}"` : valueText(random, 2);
    return `"${formatTime(atMs - back)}"`;
  }

  private headers(about: 'event' | 'record' | 'profile'): Uint8Array | null {
    const { random } = this;
    if (about !== 'profile' && chance(random, 0.3)) return null;
    const lines: string[] = [];
    const { erases } = this.options;
    const good =
      about === 'profile' ? pick(random, ['delete', 'delete', 'delete', erases ? 'erase' : 'delete']) : pick(random, OPERATIONS);
    const name = pick(random, ['Visage-Operation', 'Visage-Operation', 'visage-operation', 'VISAGE-OPERATION']);
    if (!this.isOdd()) lines.push(`${name}: ${this.isOdd() ? pick(random, ODD_OPERATIONS) : good}`);
    if (this.isOdd()) lines.push(`Visage-Operation: ${erases && this.isOdd() ? 'erase' : pick(random, ODD_OPERATIONS)}`);
    if (chance(random, 0.4)) lines.push(`Visage-Last-Updated: ${JSON.parse(plainText(this.time())) as string}`);
    if (this.isOdd())
      lines.push(
        pick(random, [
          'no colon',
          ': no name',
          'X : spaced',
          'X: \u00ff\u0001',
          '__proto__: 1',
          'constructor:',
          'Nats-Msg-Size: x',
        ]),
      );
    const block = `NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
    if (this.odd < 0.5 || chance(random, 0.8)) return Buffer.from(block, 'latin1');
    return Buffer.from(
      pick(random, ['NATS/1.0 503 odd\r\n\r\n', 'NATS/1.0\r\n\r\n', 'NATS/1.0 999\r\nX\r\n\r\n', 'NATS/1.0\r\n\r\n\r\n\r\n']),
      'latin1',
    );
  }

  /** The body's text as bytes, now and then no longer what it was. */
  private bytes(text: string): Uint8Array {
    const { random, odd } = this;
    const bytes = encoder.encode(text);
    if (!chance(random, odd === 0.5 ? 0.4 : odd)) return bytes;
    switch (random.below(12)) {
      case 0:
        return bytes.subarray(0, random.below(bytes.length + 1));
      case 1:
        return bytes.map((byte) => (chance(random, 0.01) ? random.below(256) : byte));
      case 2:
        return encoder.encode(`[${text}]`);
      case 3:
        return encoder.encode(`\ufeff${text}`);
      case 4:
        return Buffer.from(text, 'utf16le');
      case 5:
        return Uint8Array.from({ length: random.below(200) }, () => random.below(256));
      case 6:
        return new Uint8Array();
      case 7:
        return encoder.encode(deepText(random, 1 + random.below(3_000)));
      case 8:
        return encoder.encode(objectText(random, random.below(40), 5));
      case 9:
        return encoder.encode(valueText(random, 3));
      case 10:
        return chance(random, 0.3) ? new Uint8Array(this.options.bodyBytesMax).fill(pick(random, [0, 34, 91, 97, 255])) : bytes;
      default:
        return encoder.encode(text.replace(/^\{/, `{"${keyText(random)}":${deepText(random, 1 + random.below(500))},`));
    }
  }
}

/** A JSON text that a header's line can hold. */
function plainText(json: string): string {
  return json.startsWith('"') && !/\\|[^\u0020-\u007e]/.test(json) ? json : '"geheim"';
}

function identityMap(random: Random): string {
  const one = (id: string): string => `{"id":${id}}`;
  switch (random.below(6)) {
    case 0:
      return `{"email":[${one(`"${SECRET}@example.com"`)}]}`;
    case 1:
      return `{"customerId":[${one('"one"')},${one('"other"')}]}`;
    case 2:
      return `{"email":[${Array.from({ length: 25 }, (_, i) => one(`"${i}"`)).join()}]}`;
    case 3:
      return `{"email":[${one('"null"')},${one('"\\ud800"')},${one('7')}],"${keyText(random)}":[]}`;
    case 4:
      return `{"deviceId":[${one(`"${'x'.repeat(600)}"`)}]}`;
    default:
      return objectText(random, 3, 3);
  }
}
