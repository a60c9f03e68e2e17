// The trace in a message's headers: W3C Trace Context, and nothing that only looks like it.
import { expect, test } from 'vitest';
import type { LogMessage } from '../../../src/message/log_message.ts';
import { traceOf } from '../../../src/message/trace.ts';

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

function message(headers: Readonly<Record<string, string>> | (() => never), headerBytes?: number): LogMessage {
  const read = typeof headers === 'function' ? headers : () => headers;
  const size = headerBytes === undefined ? {} : { headerBytes };
  return { sequence: 1, stampMs: 0, subject: 's', body: new Uint8Array(), headers: read, ...size };
}

test('is read whatever the case of its name', () => {
  for (const name of ['traceparent', 'Traceparent', 'TRACEPARENT'])
    expect(traceOf(message({ 'Nats-Msg-Id': 'x', [name]: PARENT }))).toEqual({ parent: PARENT, state: null });
  expect(traceOf(message({ traceparent: PARENT, TraceState: 'a=1, b="x\\y"' }))).toEqual({
    parent: PARENT,
    state: 'a=1, b="x\\y"',
  });
  expect(traceOf(message({ traceparent: PARENT.replace('00-', 'cc-') }))?.parent).toBe(PARENT.replace('00-', 'cc-'));
});

test.each<[string, string]>([
  ['nothing', ''],
  ['two of them', `${PARENT}, ${PARENT}`],
  ['upper case', PARENT.toUpperCase()],
  ['the version that there is not', PARENT.replace('00-', 'ff-')],
  ['a trace of zeros', PARENT.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32))],
  ['a parent of zeros', PARENT.replace('00f067aa0ba902b7', '0'.repeat(16))],
  ['more', `${PARENT}-x`],
  ['less', PARENT.slice(0, -1)],
  ['what would end a text', `${PARENT.slice(0, -2)}"}`],
])('%s is none', (_, traceparent) => {
  expect(traceOf(message({ traceparent, tracestate: 'a=1' }))).toBeNull();
});

test('a state that is too long, or not printable, is left out', () => {
  for (const tracestate of ['x'.repeat(513), 'a=\u0007', 'é=1', ''])
    expect(traceOf(message({ traceparent: PARENT, tracestate }))).toEqual({ parent: PARENT, state: null });
  expect(traceOf(message({ traceparent: PARENT, tracestate: 'x'.repeat(512) }))?.state).toHaveLength(512);
});

test('headers that are too short for one, or cannot be read, or are not there, have none', () => {
  const unread = (): never => expect.unreachable('short headers are not read');
  expect(traceOf(message(unread, 80))).toBeNull();
  expect(traceOf(message({ traceparent: PARENT }, 81))?.parent).toBe(PARENT);
  const broken = (): never => {
    throw new Error('these bytes are no headers');
  };
  expect(traceOf(message(broken, 81))).toBeNull();
  expect(traceOf({ ...message({}), headers: null })).toBeNull();
});
