// `dead list`: what was refused, and why.
import type { Command } from 'commander';
import type { LogMessage } from '../message/log_message.ts';
import type { Violation } from '../message/refusal.ts';
import { formatTime } from '../base/time.ts';
import { command, withClient, type CommonOptions } from './command.ts';
import { lineWriter } from './output.ts';

type Letter = {
  readonly reason: string;
  readonly errors: readonly Violation[];
  readonly subject: string;
  readonly dataset: string | null;
  readonly sequence: number | null;
  readonly time: string;
};

export function registerDead(program: Command): void {
  const dead = program.command('dead').description('messages that were refused').helpCommand(false);
  command(dead, 'list', 'print the refused messages, oldest first, each with its reasons', 'dead list --config worker.yaml')
    .option('--json', 'print one JSON object a line, with the body')
    .action(async (options: CommonOptions) => {
      const out = lineWriter();
      await withClient(options, async (client) => {
        const { root } = client.topology;
        for await (const message of client.readStream('dead', { from: 'start', until: 'now' })) {
          const letter = readLetter(message, root);
          await out.write(
            options.json === true ? JSON.stringify({ deadSequence: message.sequence, ...letter }) : describe(letter),
          );
        }
        await out.end();
      });
    });
}

/** A letter that a worker wrote; or a message that the log did not take because its subject has the wrong number of tokens. */
function readLetter(message: LogMessage, root: string): Letter {
  const body = new TextDecoder().decode(message.body);
  if (message.subject.startsWith(`${root}.dead.`)) return JSON.parse(body) as Letter;
  const wrong = 'the subject must be <root>.in.<dataset>.<namespace>.<encoded id>: `visage subject` prints it';
  return {
    reason: 'bad_subject',
    errors: [{ pointer: '/subject', keyword: 'bad_subject', message: wrong }],
    subject: message.subject,
    dataset: null,
    sequence: null,
    time: formatTime(message.stampMs),
    ...{ body },
  };
}

function describe(letter: Letter): string {
  const reasons = letter.errors.map((error) => `${error.pointer === '' ? 'body' : error.pointer}: ${error.message}`).join('; ');
  const where = letter.sequence === null ? 'not in the log' : `sequence ${letter.sequence}`;
  return `${letter.time}  ${letter.reason}  ${letter.subject}  ${where}  ${reasons}`;
}
