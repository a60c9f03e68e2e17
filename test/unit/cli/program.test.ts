// The table of commands: each name loads the command of that name, and that one alone.
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { COMMANDS, programFor } from '../../../src/cli/program.ts';

const namesOf = (program: Command): string[] => program.commands.map((command) => command.name());

test('each name registers itself', async () => {
  for (const [name, load] of Object.entries(COMMANDS)) {
    const program = new Command();
    (await load())(program);
    expect(namesOf(program)).toEqual([name]);
  }
});

test('what is called is loaded; all, in their order, for anything else', async () => {
  expect(namesOf(await programFor('get'))).toEqual(['get']);
  for (const called of [undefined, '--help', 'nope', 'toString'])
    expect(namesOf(await programFor(called))).toEqual(Object.keys(COMMANDS));
});
