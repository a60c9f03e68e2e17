// What the commands have in common: --config, an example in their help, whole numbers, a connected client.
import { InvalidArgumentError, type Command } from 'commander';
import { loadSettings } from '../definitions/load_settings.ts';
import type { Settings } from '../definitions/settings.ts';
import { openClient, type Client } from '../worker/client.ts';

export type CommonOptions = { readonly config?: string; readonly json?: boolean };

/** A command of `program` with --config, and an example under its help. `usage`: its name and arguments. */
export function command(program: Command, usage: string, description: string, example: string): Command {
  return program
    .command(usage)
    .description(description)
    .option('--config <file>', 'settings (worker.yaml); without it defaults and VISAGE_ variables')
    .addHelpText('after', `\nExample:\n  $ npx visage ${example}`);
}

export function settingsOf(options: CommonOptions): Settings {
  return loadSettings({ env: process.env, ...(options.config === undefined ? {} : { file: options.config }) });
}

/** Runs `use` with a client of the root that the settings name, and closes it. */
export async function withClient<T>(options: CommonOptions, use: (client: Client) => Promise<T>): Promise<T> {
  const client = await openClient(settingsOf(options), 'visage command');
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** For options that are a whole number of at least `min`, and at most `max`. */
export function wholeNumber(min: number, max = Infinity): (text: string) => number {
  return (text) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (!(number >= min && number <= max))
      throw new InvalidArgumentError(`It must be a whole number, ${min} ${max === Infinity ? 'or more' : `to ${max}`}.`);
    return number;
  };
}
