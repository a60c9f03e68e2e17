// One HTTP request on a connection of its own, with the path exactly as it is given: fetch would tidy it up.
import { request, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';

export type Answer = {
  readonly status: number;
  readonly type: string;
  readonly cache: string | undefined;
  readonly requestId: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
};

export type AskOptions = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
};

export function ask(
  port: number | undefined,
  path: string,
  { method = 'GET', headers = {}, body }: AskOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      const { statusCode = 0, headers: answered } = response;
      text(response).then(
        (all) =>
          resolve({
            status: statusCode,
            type: answered['content-type'] ?? '',
            cache: answered['cache-control'],
            requestId: String(answered['x-request-id'] ?? ''),
            headers: answered,
            text: all,
          }),
        reject,
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export const PROBLEM_JSON = 'application/problem+json; charset=utf-8';

export type ProblemText = {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly requestId: string;
};

/** The problem in an answer. @throws Error when it is none, when it may be kept, or when it says another status than the answer has */
export function problemOf({ status, type, cache, requestId, text: body }: Answer): ProblemText {
  if (type !== PROBLEM_JSON || cache !== 'no-store') throw new Error(`${status} ${type} ${cache}: ${body}`);
  const problem = JSON.parse(body) as ProblemText;
  if (problem.status !== status || problem.title === '' || problem.detail === '') throw new Error(`${status}: ${body}`);
  if (requestId === '' || problem.requestId !== requestId) throw new Error(`the request is ${requestId}: ${body}`);
  return problem;
}
