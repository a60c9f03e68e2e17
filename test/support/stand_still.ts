// Stops a process where it is, as a pause of its machine would.
import { readFileSync } from 'node:fs';
import { eventually } from './eventually.ts';

type Stopped = { readonly pid: number; kill(signal: NodeJS.Signals): unknown };

/** The signal alone is not enough: the process may go on for a moment on another core. `SIGCONT` lets it go on. */
export async function standStill(server: Stopped): Promise<void> {
  server.kill('SIGSTOP');
  await eventually('the process stands still', () => /^State:\s+T/m.test(readFileSync(`/proc/${server.pid}/status`, 'utf8')));
}
