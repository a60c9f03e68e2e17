// A process that starts a server on the store it is given, says which, and then waits to be killed.
import { startServer } from '../../src/server/start_server.ts';

const server = await startServer({ storeDirectory: process.argv[2]! });
process.stdout.write(`${JSON.stringify({ pid: server.pid, port: server.port })}\n`);
