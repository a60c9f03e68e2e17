#!/usr/bin/env node
// `visage`: registers the commands, runs one, turns how it ended into an exit code.
import { Command } from 'commander';
import { version } from '../worker/version.ts';
import { registerDead } from './dead.ts';
import { registerDelete } from './delete.ts';
import { registerDefinitions } from './definitions.ts';
import { registerDemo } from './demo.ts';
import { registerEvents } from './events.ts';
import { registerErase } from './erase.ts';
import { registerExplain } from './explain.ts';
import { registerExport } from './export.ts';
import { reportFailure } from './failure.ts';
import { registerGet } from './get.ts';
import { registerIngest } from './ingest.ts';
import { endQuietlyOnBrokenPipe } from './output.ts';
import { registerPublish } from './publish.ts';
import { registerResync } from './resync.ts';
import { registerSetup } from './setup.ts';
import { registerSimulate } from './simulate.ts';
import { registerStatus } from './status.ts';
import { registerTail } from './tail.ts';
import { registerToken } from './token.ts';
import { registerVerify } from './verify.ts';
import { registerWorker } from './worker.ts';

const program = new Command('visage')
  .description('Real-time profiles folded from a log.')
  .version(version)
  .helpCommand(false)
  .exitOverride();

// in the order of a first day; subcommands inherit what was set above
for (const register of [
  registerDemo,
  registerSetup,
  registerWorker,
  registerPublish,
  registerIngest,
  registerGet,
  registerEvents,
  registerExplain,
  registerDelete,
  registerErase,
  registerTail,
  registerExport,
  registerVerify,
  registerSimulate,
  registerStatus,
  registerResync,
  registerDefinitions,
  registerDead,
  registerToken,
])
  register(program);

endQuietlyOnBrokenPipe();
let code = 0;
try {
  await program.parseAsync();
} catch (error) {
  code = reportFailure(error);
}
// whatever a command left open does not keep the process alive; but what it wrote must be out
process.stdout.write('', () => process.exit(code));
