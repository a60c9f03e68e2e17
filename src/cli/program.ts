// The commands of `visage`, and the program that knows the one that is called, or all for the help.
import { Command } from 'commander';
import { version } from '../worker/version.ts';

type Register = (program: Command) => void;

/** In the order of a first day. Each is loaded when it is called: all together take longer than most of them work. */
export const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  demo: async () => (await import('./demo.ts')).registerDemo,
  setup: async () => (await import('./setup.ts')).registerSetup,
  worker: async () => (await import('./worker.ts')).registerWorker,
  subject: async () => (await import('./subject.ts')).registerSubject,
  publish: async () => (await import('./publish.ts')).registerPublish,
  ingest: async () => (await import('./ingest.ts')).registerIngest,
  get: async () => (await import('./get.ts')).registerGet,
  events: async () => (await import('./events.ts')).registerEvents,
  explain: async () => (await import('./explain.ts')).registerExplain,
  delete: async () => (await import('./delete.ts')).registerDelete,
  erase: async () => (await import('./erase.ts')).registerErase,
  tail: async () => (await import('./tail.ts')).registerTail,
  export: async () => (await import('./export.ts')).registerExport,
  verify: async () => (await import('./verify.ts')).registerVerify,
  simulate: async () => (await import('./simulate.ts')).registerSimulate,
  status: async () => (await import('./status.ts')).registerStatus,
  resync: async () => (await import('./resync.ts')).registerResync,
  definitions: async () => (await import('./definitions.ts')).registerDefinitions,
  dead: async () => (await import('./dead.ts')).registerDead,
  token: async () => (await import('./token.ts')).registerToken,
};

/** @param called what stands first on the command line */
export async function programFor(called: string | undefined): Promise<Command> {
  const program = new Command('visage')
    .description('Real-time profiles folded from a log.')
    .version(version)
    .helpCommand(false)
    .exitOverride();
  const isKnown = called !== undefined && Object.hasOwn(COMMANDS, called);
  // subcommands inherit what was set above
  for (const load of isKnown ? [COMMANDS[called]!] : Object.values(COMMANDS)) (await load())(program);
  return program;
}
