// A command of the command line in this process: what a process of its own would print, without its second of start-up.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { reportFailure } from '../../src/cli/failure.ts';
import { programFor } from '../../src/cli/program.ts';
import type { World } from './world.ts';

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** A settings file for the commands of a world. */
export function configFile({ folder, server, settings }: World): string {
  const file = join(folder, 'commands.json');
  writeFileSync(file, JSON.stringify({ nats: { servers: [server.url] }, partitions: settings().partitions }));
  return file;
}

/** One at a time: what this process prints meanwhile is taken for the command's. */
export async function runCommand(args: readonly string[]): Promise<Ran> {
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      said[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    }),
  );
  let code = 0;
  try {
    await (await programFor(args[0])).parseAsync(args, { from: 'user' });
  } catch (error) {
    code = reportFailure(error);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return { code, ...said };
}
