// A client of server-sent events, as a browser is one: what it was told, where it would go on. It reads the lines as the HTML standard says.
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { eventually } from './eventually.ts';

export type Told = { readonly event: string; readonly data: unknown; readonly id: string };

export interface EventSource {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly told: readonly Told[];
  /** What it would send when it comes again; '' when nobody has said. */
  readonly lastId: () => string;
  readonly beats: () => number;
  /** What the server advises; undefined: nothing. */
  readonly retryMs: () => number | undefined;
  /** Resolves when the answer is over: in order, or cut off. */
  readonly over: Promise<'ended' | 'cut'>;
  /** The first that is as wanted, past or to come. */
  first(what: string, wanted: (told: Told) => boolean, timeoutMs?: number): Promise<Told>;
  /** Takes nothing any more. */
  pause(): void;
  close(): void;
}

/** @throws Error when it is answered with anything but an event stream */
export async function openEvents(
  port: number | undefined,
  path: string,
  { lastId = '', token }: { readonly lastId?: string; readonly token?: string } = {},
): Promise<EventSource> {
  const headers = {
    accept: 'text/event-stream',
    ...(lastId !== '' && { 'last-event-id': lastId }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const sent = request({ host: '127.0.0.1', port, path, headers, agent: false });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const told: Told[] = [];
  let id = lastId;
  let beats = 0;
  let retryMs: number | undefined;
  let event = '';
  let data: string[] = [];
  let rest = '';
  const line = (text: string): void => {
    const colon = text.indexOf(':');
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '');
    if (text === '') {
      if (data.length > 0) told.push({ event, data: JSON.parse(data.join('\n')) as unknown, id });
      event = '';
      data = [];
    } else if (colon === 0) beats++;
    else if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id') id = value;
    else if (field === 'retry') retryMs = Number(value);
  };
  const over = Promise.withResolvers<'ended' | 'cut'>();
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const each of lines) line(each);
  });
  response.on('error', () => undefined); // `close` says that it was cut
  response.on('close', () => over.resolve(response.complete ? 'ended' : 'cut'));
  const source: EventSource = {
    status: response.statusCode ?? 0,
    headers: response.headers,
    told,
    lastId: () => id,
    beats: () => beats,
    retryMs: () => retryMs,
    over: over.promise,
    first: (what, wanted, timeoutMs = 10_000) =>
      eventually(`an event: ${what}`, () => told.find(wanted), { timeoutMs, everyMs: 5 }),
    pause: () => void response.pause(),
    close: () => void sent.destroy(),
  };
  if (!String(response.headers['content-type']).startsWith('text/event-stream'))
    throw new Error(`no event stream: ${response.statusCode}`);
  return source;
}
