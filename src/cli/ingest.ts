// `ingest`: a file into the log. CI1: the first signal stops in order and keeps the position, the second ends at once.
// CI2: what it prints has line numbers and column names, never what is in a row.
import { Option, type Command } from 'commander';
import type { IngestFormat, IngestReport, Progress } from '../ingest/ingest.ts';
import { loadIngestMap } from '../ingest/ingest_map.ts';
import type { RecordOperation } from '../message/decode.ts';
import { command, settingsOf, withClient, type CommonOptions } from './command.ts';
import { Interrupted, WrongUse } from './failure.ts';
import { ingestFile } from './ingest_file.ts';
import { print, printJson, remark } from './output.ts';
import { number, progressLine, type ProgressState } from './progress.ts';

const FORMATS = ['ndjson', 'csv'] as const;
const OPERATIONS = ['create', 'merge', 'delete'] as const satisfies readonly RecordOperation[];
const EXTENSIONS: Readonly<Record<string, IngestFormat>> = { ndjson: 'ndjson', jsonl: 'ndjson', json: 'ndjson', csv: 'csv' };

type IngestCommandOptions = CommonOptions & {
  readonly dataset: string;
  readonly format?: IngestFormat;
  readonly map?: string;
  readonly operation?: RecordOperation;
};

export function registerIngest(program: Command): void {
  command(
    program,
    'ingest <file>',
    'send a file of NDJSON or CSV, gzip too, into a dataset; running it again goes on where it stopped, and adds nothing twice',
    'ingest orders.csv.gz --dataset orders --map orders.map.yaml --config worker.yaml',
  )
    .requiredOption('--dataset <name>', 'the dataset that the rows belong to')
    .addOption(new Option('--format <format>', 'without it the name of the file says it').choices(FORMATS))
    .option('--map <file>', 'how columns become identity, _id, timestamp, eventType and fields; needed for CSV')
    .addOption(
      new Option(
        '--operation <operation>',
        'what records do, where their row does not say: create (without it), merge or delete',
      ).choices(OPERATIONS),
    )
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
  $ npx visage ingest customers.ndjson --dataset crm --config worker.yaml
  $ npx visage ingest changes.ndjson --dataset crm --operation merge --config worker.yaml

A dataset has events or records, as its schema says. Lines of NDJSON are sent as they stand; { "header": …, "body": { "xdmEntity": … } } is
unwrapped, and header.operations.data is the operation. The same file with another operation is another ingestion.`,
    )
    .action(async (file: string, options: IngestCommandOptions) => {
      const startMs = performance.now();
      const format = options.format ?? formatOf(file);
      if (format === 'csv' && options.map === undefined)
        throw new WrongUse('a CSV file needs --map: which column is the identity, which the time');
      const map = options.map === undefined ? null : loadIngestMap(options.map);
      const stop = stopOnSignals();
      const line = progressLine(process.stderr);
      const report = await withClient(options, (client) =>
        ingestFile(client, settingsOf(options), {
          path: file,
          format,
          dataset: options.dataset,
          map,
          ...(options.operation === undefined ? {} : { operation: options.operation }),
          signal: stop.signal,
          onProgress: (progress) => line.show(stateOf(progress)),
        }),
      ).finally(() => line.end());
      await show(report, options, file, (performance.now() - startMs) / 1000);
      if (report.state === 'interrupted')
        throw new Interrupted(stop.by(), `stopped after ${number(report.rows)} rows; run the same command again to go on`);
    });
}

function formatOf(file: string): IngestFormat {
  const extension = file.toLowerCase().replace(/\.gz$/, '').split('.').at(-1)!;
  const format = EXTENSIONS[extension];
  if (format === undefined)
    throw new WrongUse(
      `${file}: its name does not say what it is (.ndjson, .jsonl, .json or .csv, and .gz); say --format ndjson or csv`,
    );
  return format;
}

function stateOf({ rows, refused, readBytes, fileBytes, waitingFor }: Progress): ProgressState {
  return {
    done: `${number(rows)} rows`,
    count: rows,
    share: fileBytes === 0 ? 1 : readBytes / fileBytes,
    remarks: refused === 0 ? '' : `${number(refused)} refused`,
    waitingFor,
  };
}

function stopOnSignals(): { readonly signal: AbortSignal; by(): 'SIGINT' | 'SIGTERM' } {
  const controller = new AbortController();
  let by: 'SIGINT' | 'SIGTERM' = 'SIGINT';
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143); // the next run finds out what was stored
      by = signal;
      remark(`${signal}: stopping; what is under way is waited for`);
      controller.abort();
    });
  }
  return { signal: controller.signal, by: () => by };
}

async function show(report: IngestReport, options: IngestCommandOptions, file: string, seconds: number): Promise<void> {
  if (options.json === true) {
    await printJson({ ...report, file, dataset: options.dataset, seconds: Math.round(seconds * 1000) / 1000 });
    return;
  }
  for (const line of describe(report, options.dataset, file, seconds)) await print(line);
}

function describe(report: IngestReport, dataset: string, file: string, seconds: number): string[] {
  const { state, rows, sent, skipped, refused, refusals } = report;
  const lines = [
    state === 'already'
      ? `${file} was already ingested into ${dataset} at ${report.finishedAt}: ${number(rows)} rows; nothing was sent`
      : `${file} into ${dataset}: ${number(rows)} rows in ${seconds.toFixed(1)} s`,
    `${number(sent)} sent, ${number(skipped)} already there, ${number(refused)} refused`,
  ];
  lines.push(...refusals.map(({ line, reason }) => `line ${line}: ${reason}`));
  if (refused > refusals.length) lines.push(`and ${number(refused - refusals.length)} more refused`);
  if (report.mapDiffers)
    lines.push('note: that was with another map file or format; the same file is not sent again for a new one');
  return lines;
}
