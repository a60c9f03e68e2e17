// `export`: every profile, one JSON a line, as of one cut per shard's log.
import type { Command } from 'commander';
import { command, withClient, type CommonOptions } from './command.ts';
import { lineWriter, remark } from './output.ts';

type ExportOptions = CommonOptions & { readonly out?: string; readonly cut?: boolean; readonly policy?: string };

export function registerExport(program: Command): void {
  command(
    program,
    'export',
    'print every profile, one JSON a line; everything that was in the log at the start is in it',
    'export --out profiles.ndjson --cut --config worker.yaml',
  )
    .option('--policy <name>', 'the merge policy for what records say; without it the default one')
    .option('--out <file>', 'write them there; the file appears when it is complete')
    .option('--cut', 'print the sequence at which each shard was read to stderr')
    .option('--json', 'what it prints is JSON with and without this')
    .action(async (options: ExportOptions) => {
      const out = lineWriter(options.out);
      let count = 0;
      await withClient(options, async (client) => {
        const onCut = (shard: number, sequence: number): void => {
          if (options.cut === true) remark(`shard ${shard}: cut at ${sequence}`);
        };
        for await (const { text } of client.exportProfiles(onCut, options.policy)) {
          await out.write(text);
          count++;
        }
        await out.end();
      });
      if (options.out !== undefined) remark(`${count} profiles in ${options.out}`);
    });
}
