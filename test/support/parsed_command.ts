// Reads a command line as the program does, without doing what it says: options that it does not know, values that it does not take, and
// arguments that are missing or too many are errors.
import type { Command } from 'commander';

/** @param words without the program's name; the first is the command's  @throws Error that says what is wrong */
export function parsed(program: Command, words: readonly string[]): Record<string, unknown> {
  const [name, ...rest] = words;
  const command = program.commands.find((one) => one.name() === name);
  if (command === undefined) throw new Error(`there is no command '${name}'`);
  if (command.commands.length > 0) return parsed(command, rest);
  command.exitOverride();
  const { operands, unknown } = command.parseOptions([...rest]);
  if (unknown.length > 0) throw new Error(`'${name}' does not know ${unknown.join(' ')}`);
  const { registeredArguments: wanted } = command;
  const required = wanted.filter((argument) => argument.required).length;
  const most = wanted.at(-1)?.variadic === true ? Infinity : wanted.length;
  if (operands.length < required || operands.length > most)
    throw new Error(`'${name}' takes ${required} to ${most} arguments, not: ${operands.join(' ')}`);
  const options: Record<string, unknown> = command.opts();
  for (const option of command.options)
    if (option.mandatory && options[option.attributeName()] === undefined) throw new Error(`'${name}' needs ${option.long}`);
  return options;
}
