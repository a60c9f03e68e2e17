#!/usr/bin/env node
// `visage`: runs the command that is called, and turns how it ended into an exit code.
import { reportFailure } from './failure.ts';
import { endQuietlyOnBrokenPipe } from './output.ts';
import { programFor } from './program.ts';

endQuietlyOnBrokenPipe();
let code = 0;
try {
  await (await programFor(process.argv[2])).parseAsync();
} catch (error) {
  code = reportFailure(error);
}
// whatever a command left open does not keep the process alive; but what it wrote must be out
process.stdout.write('', () => process.exit(code));
