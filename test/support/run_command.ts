// A command of the command line in this process: what a process of its own would print, without its second of start-up.
import { Command } from 'commander';
import { vi } from 'vitest';
import { registerDead } from '../../src/cli/dead.ts';
import { registerDelete } from '../../src/cli/delete.ts';
import { reportFailure } from '../../src/cli/failure.ts';
import { registerGet } from '../../src/cli/get.ts';
import { registerPublish } from '../../src/cli/publish.ts';

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** One at a time: what this process prints meanwhile is taken for the command's. */
export async function runCommand(args: readonly string[]): Promise<Ran> {
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      said[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    }),
  );
  const program = new Command('visage').exitOverride();
  for (const register of [registerPublish, registerGet, registerDelete, registerDead]) register(program);
  let code = 0;
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    code = reportFailure(error);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return { code, ...said };
}
