// How a command ends when it does not succeed: an exit code and one clear line on stderr.
// F1: 1 = refused or failed, 2 = wrong use. F2: a user's mistake never shows a stack; a defect says that it is one.
import { CommanderError } from 'commander';
import { errorText, VisageError } from '../base/errors.ts';

export const FAILED = 1;
export const WRONG_USE = 2;

/** The command line itself is wrong: nothing was tried. */
export class WrongUse extends Error {}

/** A signal ended the command in order: no failure, but not done either. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM', message: string) {
    super(message);
    this.exitCode = signal === 'SIGINT' ? 130 : 143;
  }
}

/** Arguments of these kinds come straight from the command line. */
const WRONG_ARGUMENT = new Set(['bad_identity', 'bad_dataset']);

/** What the NATS client throws when a server does not answer as hoped; this room does not see the client. */
const NATS_ERRORS = new Set([
  'TimeoutError',
  'RequestError',
  'NoRespondersError',
  'ClosedConnectionError',
  'DrainingConnectionError',
  'ConnectionError',
  'JetStreamApiError',
  'JetStreamError',
  'PermissionViolationError',
  'AuthorizationError',
  'ProtocolError',
]);

/** Says on stderr what went wrong, and returns the exit code for it. */
export function reportFailure(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : WRONG_USE; // it has said so itself
  if (thrown instanceof Interrupted) {
    process.stderr.write(`${thrown.message}\n`);
    return thrown.exitCode;
  }
  if (thrown instanceof WrongUse) return say(thrown.message, WRONG_USE);
  if (thrown instanceof VisageError) return say(thrown.message, WRONG_ARGUMENT.has(thrown.code) ? WRONG_USE : FAILED);
  if (isSystemError(thrown)) return say(oneLine(thrown.message), FAILED);
  if (thrown instanceof Error && NATS_ERRORS.has(thrown.name)) return say(`NATS: ${oneLine(thrown.message)}`, FAILED);
  process.stderr.write(
    `defect: ${oneLine(errorText(thrown))}. Please report it; VISAGE_LOG_LEVEL=debug shows where it happened\n`,
  );
  if (process.env['VISAGE_LOG_LEVEL'] === 'debug' && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`);
  return FAILED;
}

function say(line: string, code: number): number {
  process.stderr.write(`error: ${line}\n`);
  return code;
}

/** A file that is not there, a full disk: Node's message names the call and the path. */
function isSystemError(thrown: unknown): thrown is NodeJS.ErrnoException {
  return thrown instanceof Error && typeof (thrown as NodeJS.ErrnoException).syscall === 'string';
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, '; ');
}
