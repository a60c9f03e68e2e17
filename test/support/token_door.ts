// In front of a worker: lets in who brings the token, as a proxy of an installation does, or the worker itself with `http.tokensFile`.
import { createServer, request, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** What a page may have without: the page. */
const OPEN = /^\/($|explorer\/)/;
const PROBLEM = JSON.stringify({ title: 'Not authorized', status: 401, code: 'bad_token', detail: 'there is no such token' });

export type TokenDoor = {
  readonly url: string;
  /** The paths, with their parameters, that were asked for without the token. */
  readonly refused: readonly string[];
  /** From now on another token is asked for. */
  change(token: string): void;
  close(): Promise<void>;
};

export async function openTokenDoor(worker: string, first: string): Promise<TokenDoor> {
  let token = first;
  const refused: string[] = [];
  const server: Server = createServer((asked, answer) => {
    const { url = '/', method, headers } = asked;
    if (!OPEN.test(url) && headers.authorization !== `Bearer ${token}`) {
      refused.push(url);
      answer.writeHead(401, { 'content-type': 'application/problem+json' }).end(PROBLEM);
      return;
    }
    const passed = request(new URL(url, worker), { method, headers }, (said) => {
      answer.writeHead(said.statusCode ?? 502, said.headers);
      said.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    answer.on('close', () => passed.destroy());
    asked.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    refused,
    change(next) {
      token = next;
      server.closeAllConnections();
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
