// One request, whatever the server makes of it: its answer, or that there was none in time. A stream of events is left after its head.
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Answer } from './ask.ts';
import type { OddRequest } from './odd_requests.ts';

const DEADLINE_MS = 10_000;

/** @throws Error when there is no answer: too late, or the connection was cut */
export function probe(port: number, { method, path, headers, body }: OddRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false });
    const late = setTimeout(() => sent.destroy(new Error(`no answer within ${DEADLINE_MS} ms`)), DEADLINE_MS);
    let answered = false;
    sent.on('response', (response) => {
      answered = true;
      const { statusCode: status = 0, headers: said } = response;
      const type = said['content-type'] ?? '';
      const requestId = String(said['x-request-id'] ?? '');
      const end = (all: string): void => {
        clearTimeout(late);
        resolve({ status, type, cache: said['cache-control'], requestId, text: all });
      };
      if (!type.startsWith('text/event-stream')) return void text(response).then(end, reject);
      sent.destroy();
      end('');
    });
    sent.on('error', (error) => {
      if (answered) return; // it had its answer before it had said all
      clearTimeout(late);
      reject(error);
    });
    sent.end(body);
  });
}
