// A worker in a process of its own, to be killed. Arguments: settings overrides as JSON. Prints `ready`; `stopped CODE` when it ends by
// itself. SIGTERM drains it. Its log goes to stderr. It ends when its parent does.
import { pino } from 'pino';
import { loadSettings } from '../../src/definitions/load_settings.ts';
import { createWorker } from '../../src/worker/create_worker.ts';

const settings = loadSettings({ env: {}, overrides: JSON.parse(process.argv[2]!) as Record<string, unknown> });
const logger = pino({ level: 'info' }, pino.destination({ dest: 2, sync: true }));
const worker = createWorker({ settings, logger });
process.on('SIGTERM', () => void worker.stop());
process.stdin.on('end', () => process.exit(1)).resume();
worker.ready.then(
  () => process.stdout.write('ready\n'),
  () => undefined, // said by `stopped`
);
const error = (await worker.stopped) as (Error & { code?: string }) | undefined;
process.stdout.write(`stopped ${error === undefined ? 'drained' : (error.code ?? error.message)}\n`);
process.exit(error === undefined ? 0 : 1);
