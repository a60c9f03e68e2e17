// After SIGSTOP: a process with several threads goes on for a moment.
import { readFileSync } from 'node:fs';
import { eventually } from './eventually.ts';

export async function standsStill(pid: number): Promise<void> {
  await eventually('the process stands still', () => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  });
}
