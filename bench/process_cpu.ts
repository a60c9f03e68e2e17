// CPU time that a process has taken, all of its threads, as Linux says it.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

let ticksPerSecond: number | undefined;

/** User and system, in seconds. It counts in steps of a hundredth. */
export function readCpuSeconds(pid: number): number {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // the command's name may hold anything
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
