// `worker`: runs until it is told to stop. W1: the first signal drains, the second ends at once.
import type { Command } from 'commander';
import { pino, type Logger } from 'pino';
import { errorText } from '../base/errors.ts';
import { loadDefinitionsFile } from '../definitions/load_definitions.ts';
import { createWorker } from '../worker/create_worker.ts';
import { command, settingsOf, type CommonOptions } from './command.ts';
import { WrongUse } from './failure.ts';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const EXIT_CODE = { SIGINT: 130, SIGTERM: 143 } as const;
const STDERR = 2;
const ORPHAN_MS = 5_000;

type WorkerOptions = CommonOptions & {
  readonly setup?: boolean;
  readonly definitions?: string;
  readonly rebuild?: boolean;
  readonly partial?: boolean;
  readonly insecure?: boolean;
};

export function registerWorker(program: Command): void {
  command(
    program,
    'worker',
    'fold the log into profiles until SIGTERM or Ctrl-C (a second one ends it at once); logs JSON lines on stderr, from VISAGE_LOG_LEVEL (info) up',
    'worker --setup --config worker.yaml --definitions config/definitions.example.yaml',
  )
    .option('--setup', 'make what is missing first, as `setup` does')
    .option('--definitions <path>', 'a file or folder of definitions: becomes live if none are, else must equal the live ones')
    .option('--rebuild', 'with definitions that change the live ones: build every profile anew from the log, as a new generation')
    .option('--partial', 'with --rebuild: also when the log has lost its beginning; values then say since when they count')
    .option(
      '--insecure',
      'serve HTTP on an address that other machines reach without http.tokensFile: whoever reaches it may read, write, delete and erase',
    )
    .action(async (options: WorkerOptions) => {
      if (options.rebuild === true && options.definitions === undefined)
        throw new WrongUse('--rebuild needs --definitions: the definitions to build the profiles by');
      if (options.partial === true && options.rebuild !== true) throw new WrongUse('--partial goes with --rebuild');
      const settings = settingsOf(options);
      const logger = stderrLogger();
      const worker = createWorker({
        settings,
        logger,
        setup: options.setup === true,
        insecure: options.insecure === true,
        ...(options.rebuild === true ? { rebuild: options.partial === true ? 'partial' : 'whole' } : {}),
        ...(options.definitions === undefined ? {} : { definitions: loadDefinitionsFile(options.definitions) }),
      });
      stopOnSignals(() => worker.stop(), logger);
      worker.ready.then(
        () => logger.info({ instance: settings.instance, root: settings.root, partitions: settings.partitions }, 'worker ready'),
        () => undefined, // `stopped` has the reason
      );
      const error = await worker.stopped;
      if (error !== undefined) throw error instanceof Error ? error : new Error(errorText(error));
      logger.info('worker stopped');
    });
}

function stderrLogger(): Logger {
  const level = process.env['VISAGE_LOG_LEVEL'] ?? 'info';
  if (!LEVELS.includes(level)) throw new WrongUse(`VISAGE_LOG_LEVEL is '${level}'; it must be one of: ${LEVELS.join(', ')}`);
  const destination = pino.destination({ dest: STDERR, sync: true });
  destination.on('error', () => undefined); // nobody reads the log any more: no reason to stop working
  return pino({ name: 'visage', level }, destination);
}

function stopOnSignals(stop: () => Promise<void>, logger: Logger): void {
  let stopping = false;
  const begin = (why: string): void => {
    stopping = true;
    logger.info(`${why}: draining`);
    void stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(EXIT_CODE[signal]); // what is not checkpointed is replayed
      begin(signal);
    });
  }
  // started by a program that keeps a channel to it (the demo): when that program is gone, so is the reason to run
  if (process.connected) {
    process.once('disconnect', () => {
      if (!stopping) begin('the parent process is gone');
      setTimeout(() => process.exit(1), ORPHAN_MS); // its server may be gone as well
    });
  }
}
