// `setup`: makes the streams and buckets of a root, or compares them.
import type { Command } from 'commander';
import { loadDefinitionsFile } from '../definitions/load_definitions.ts';
import { runSetup } from '../worker/run_setup.ts';
import { command, settingsOf, type CommonOptions } from './command.ts';
import { print, printJson } from './output.ts';

export function registerSetup(program: Command): void {
  command(
    program,
    'setup',
    'make the streams and buckets, or compare those that are there and name each difference',
    'setup --config worker.yaml --definitions config/definitions.example.yaml',
  )
    .option('--definitions <path>', 'a file or folder of definitions that becomes the live one')
    .option('--json', 'print one JSON object')
    .action(async (options: CommonOptions & { readonly definitions?: string }) => {
      const settings = settingsOf(options);
      const document = options.definitions === undefined ? undefined : loadDefinitionsFile(options.definitions);
      const { made, kept, live } = await runSetup(settings, document);
      if (options.json === true) return printJson({ root: settings.root, made, kept, definitions: live });
      for (const name of made) await print(`made  ${name}`);
      for (const name of kept) await print(`kept  ${name}, as wanted`);
      if (live !== null) await print(`live  definitions ${live.slice(0, 12)}`);
    });
}
