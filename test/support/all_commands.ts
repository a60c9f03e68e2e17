// The commands of the program, registered as src/cli/main.ts does it, without running one.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';

const FOLDER = join(import.meta.dirname, '../../src/cli');

/** @returns makes a program with every command in it: a command keeps what it has read, so each line wants one of its own */
export async function allCommands(): Promise<() => Command> {
  const doors: ((program: Command) => void)[] = [];
  for (const file of readdirSync(FOLDER).filter((name) => name !== 'main.ts')) {
    const door = (await import(join(FOLDER, file))) as Record<string, unknown>;
    for (const [name, value] of Object.entries(door))
      if (/^register[A-Z]/.test(name)) doors.push(value as (program: Command) => void);
  }
  return () => {
    const program = new Command('visage');
    for (const register of doors) register(program);
    return program;
  };
}
