// docs/commands.md is what the program says of itself, command by command. UPDATE_DOCS=1 writes it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { allCommands } from '../../support/all_commands.ts';
import { pageText, ROOT } from '../../support/doc_pages.ts';

const PAGE = 'docs/commands.md';
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

function section(command: Command, above = ''): string[] {
  const name = `${above}${command.name()}`;
  if (command.commands.length > 0) return command.commands.flatMap((each) => section(each, `${name} `));
  const said = command.createHelp();
  const wanted = command.registeredArguments.map((argument) => said.argumentTerm(argument).toUpperCase());
  const options = said.visibleOptions(command).filter(({ long }) => long !== '--help' && long !== '--config');
  const rows = options.map((option) => `| \`${option.flags}\` | ${cell(said.optionDescription(option))} |`);
  const usage = [
    'visage',
    name,
    ...command.registeredArguments.map((argument, n) => (argument.required ? wanted[n]! : `[${wanted[n]!}]`)),
  ];
  const text = command.description();
  return [
    `## ${name}`,
    '',
    `\`${usage.join(' ')}\`: ${cell(text)}.`,
    '',
    ...(rows.length === 0 ? [] : ['| option | |', '|---|---|', ...rows, '']),
  ];
}

test('every command is in it, with every option', async () => {
  const commands = (await allCommands())().commands.toSorted((a, b) => (a.name() < b.name() ? -1 : 1));
  expect(commands.length).toBeGreaterThan(18);
  const text = pageText(PAGE);
  const [, begin, shown] = /(<!-- commands: .* -->\n)([\s\S]*?)<!-- \/commands -->/.exec(text)!;
  const made = ['', ...commands.flatMap((command) => section(command)), ''].join('\n').replace(/\n+$/, '\n\n');
  if (process.env['UPDATE_DOCS'] === '1')
    writeFileSync(
      join(ROOT, PAGE),
      text.replace(begin! + shown!, () => begin! + made),
    );
  else expect(shown, 'run UPDATE_DOCS=1 npx vitest run --project unit test/unit/docs').toBe(made);
});
