// The least that an HTTP server in Node can be: `node:http`, and one answer for everybody, of as many bytes as a profile has.
// Says its port; ends with the process that started it.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const body = process.argv[2]!;
const server = createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) });
  response.end(body);
});
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit(0));
