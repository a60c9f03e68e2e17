// What tests of decoding have in common: definitions of a few datasets, and a message to decode.
import { expect } from 'vitest';
import { DEFAULT_FOLD_SETTINGS, type FoldSettings } from '../../../src/message/control.ts';
import type { Admission, DatasetRule } from '../../../src/message/admission.ts';
import { decodeMessage, isRefusal, RECORDS_VERSION, type Decoded } from '../../../src/message/decode.ts';
import { REFUSAL_REASONS, type Refusal } from '../../../src/message/refusal.ts';

export const NOW = Date.UTC(2026, 2, 10, 9);
const PREFIX = 'visage.log.0.in.';
export const utf8 = new TextEncoder();

export function rule(name: string, more: Partial<DatasetRule> = {}): DatasetRule {
  return { name, index: 0, profile: true, behavior: 'event', check: null, identities: [], timeToLiveMs: null, ...more };
}

export function admissionOf(...rules: readonly DatasetRule[]): Admission {
  return {
    datasets: new Map(rules.map((each) => [each.name, each])),
    namespaces: new Map([
      ['customerId', 1],
      ['email', 2],
      ['crmId', 2],
      ['deviceId', 3],
    ]),
  };
}

/** Their schemas demand nothing: orders and audit are of events, crm of records. */
export const ADMISSION = admissionOf(
  rule('orders'),
  rule('audit', { index: 1, profile: false }),
  rule('crm', { index: 2, behavior: 'record' }),
);

export type More = {
  subject?: string;
  admission?: Admission | null;
  partitions?: number;
  settings?: Partial<FoldSettings>;
  foldVersion?: number;
  headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);
};

export function decode(body: string | Uint8Array, more: More = {}): Decoded | Refusal {
  const { headers } = more;
  const message = {
    sequence: 1,
    stampMs: NOW,
    subject: PREFIX + (more.subject ?? 'orders.customerId.ada'),
    headers: headers === undefined ? null : typeof headers === 'function' ? headers : () => headers,
    body: typeof body === 'string' ? utf8.encode(body) : body,
  };
  const admission = more.admission === undefined ? ADMISSION : more.admission;
  return decodeMessage(
    message,
    NOW,
    admission,
    { ...DEFAULT_FOLD_SETTINGS, ...more.settings },
    {
      prefixLength: PREFIX.length,
      shard: 0,
      partitions: more.partitions ?? 1,
      foldVersion: more.foldVersion ?? RECORDS_VERSION,
    },
  );
}

/** The admitted message of that kind. */
export function admitted<Kind extends Decoded['kind']>(
  kind: Kind,
  body: string | Uint8Array,
  more: More = {},
): Extract<Decoded, { kind: Kind }> {
  const decoded = decode(body, more);
  if (isRefusal(decoded)) return expect.unreachable(JSON.stringify(decoded));
  expect(decoded.kind).toBe(kind);
  return decoded as Extract<Decoded, { kind: Kind }>;
}

/** `reason pointer` of each violation; nothing when there is none. */
export function refusals(body: string | Uint8Array, more: More = {}): string[] {
  const decoded = decode(body, more);
  if (!isRefusal(decoded)) return [];
  expect(REFUSAL_REASONS).toContain(decoded.reason);
  expect(decoded.errors.length).toBeGreaterThan(0);
  return decoded.errors.map(({ keyword, pointer }) => `${keyword} ${pointer}`);
}
