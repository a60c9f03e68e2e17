// Sends dead letters again, in their order, each once.
// RP1: a letter goes out only after the ledger has it as begun: killed at any moment, none goes out twice unless somebody says so.
// RP2: every letter that was chosen is counted once: sent, sent before, unclear, unusable or failed.
import { errorText, VisageError } from '../base/errors.ts';
import type { Producer } from '../producer/producer.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { Letter } from './dead_letter.ts';
import type { ReplayLedger } from './replay_ledger.ts';
import { replayedMessage, type Replayed, type ReplayContext } from './replayed_message.ts';

const BATCH = 256;
/** At most so many letters of a kind are named in the report. */
const NAMED_MAX = 100;

export type Why = { readonly deadSequence: number; readonly why: string };

export type ReplayReport = {
  dryRun: boolean;
  /** Sent again, or with `dryRun`: would be. */
  replayed: number;
  /** Of those: the log had them no more, and the letter's copy was whole. */
  fromLetter: number;
  /** An earlier replay has sent them. */
  already: number;
  /** May have been sent: by a replay that was interrupted, or just now without an answer. */
  unclear: number;
  unusable: number;
  failed: number;
  /** The first of the last three, with why. */
  readonly reasons: Why[];
};

export type ReplayPorts = {
  readonly root: string;
  readonly original: (sequence: number) => Promise<LogMessage | undefined>;
  readonly isEvents: (dataset: string) => boolean;
  readonly rebuiltAt: ReplayContext['rebuiltAt'];
  readonly producer: Pick<Producer, 'ready' | 'send'>;
  readonly ledger: Pick<ReplayLedger, 'statesOf' | 'begin' | 'end'>;
};

export type ReplayChoice = { readonly isNamed: boolean; readonly again: boolean; readonly dryRun: boolean };

/** Stops behind the first batch of which something failed that is not about one message.
 *  @throws VisageError `conflict`, `unavailable` (retry) from the ledger and the log */
export async function replayLetters(
  letters: AsyncIterable<Letter>,
  ports: ReplayPorts,
  choice: ReplayChoice,
): Promise<ReplayReport> {
  const report: ReplayReport = {
    dryRun: choice.dryRun,
    replayed: 0,
    fromLetter: 0,
    already: 0,
    unclear: 0,
    unusable: 0,
    failed: 0,
    reasons: [],
  };
  let batch: Letter[] = [];
  for await (const letter of letters) {
    batch.push(letter);
    if (batch.length < BATCH) continue;
    if (!(await replayBatch(batch, ports, choice, report))) return report;
    batch = [];
  }
  await replayBatch(batch, ports, choice, report);
  return report;
}

export function note(report: ReplayReport, kind: 'unclear' | 'unusable' | 'failed', deadSequence: number, why: string): void {
  report[kind]++;
  if (report.reasons.length < NAMED_MAX) report.reasons.push({ deadSequence, why });
}

type Ready = { readonly deadSequence: number; readonly message: Replayed };

/** @returns is there any use in going on? */
async function replayBatch(
  letters: readonly Letter[],
  ports: ReplayPorts,
  choice: ReplayChoice,
  report: ReplayReport,
): Promise<boolean> {
  const usable: Ready[] = [];
  for (const letter of letters) {
    const { deadSequence, sequence } = letter;
    const original = sequence === null ? undefined : await ports.original(sequence);
    const message = replayedMessage(letter, { ...ports, original, isNamed: choice.isNamed });
    if (typeof message === 'string') note(report, 'unusable', deadSequence, message);
    else usable.push({ deadSequence, message });
  }
  const sequences = usable.map(({ deadSequence }) => deadSequence);
  const states = choice.dryRun ? await ports.ledger.statesOf(sequences) : await ports.ledger.begin(sequences, choice.again);
  const chosen = usable.filter(({ deadSequence }) => {
    const state = states.get(deadSequence)!;
    if (choice.again || state === 'new') return true;
    if (state === 'done') report.already++;
    else
      note(
        report,
        'unclear',
        deadSequence,
        'a replay of it was interrupted, or runs now: it may be in the log; to send it all the same say --again',
      );
    return false;
  });
  if (!choice.dryRun) return sendAll(chosen, states, ports, report);
  for (const { message } of chosen) count(message, report);
  return true;
}

async function sendAll(
  chosen: readonly Ready[],
  states: Awaited<ReturnType<ReplayLedger['begin']>>,
  { producer, ledger }: ReplayPorts,
  report: ReplayReport,
): Promise<boolean> {
  const sending: Promise<unknown>[] = [];
  const stored: number[] = [];
  const unsent = new Map<number, 'new' | 'begun' | 'done'>();
  let goOn = true;
  for (const { deadSequence, message } of chosen) {
    await producer.ready();
    const { dataset, identity, body, headers } = message;
    const sent = producer.send(dataset, body, { identity, headers }).then(
      () => {
        stored.push(deadSequence);
        count(message, report);
      },
      (error: unknown) => {
        const isKnown = error instanceof VisageError;
        if (!isKnown || error.code === 'unknown') {
          goOn = false;
          return note(report, 'unclear', deadSequence, errorText(error));
        }
        unsent.set(deadSequence, states.get(deadSequence)!);
        if (error.kind !== 'refuse' && error.code !== 'bad_header') goOn = false;
        note(report, 'failed', deadSequence, errorText(error));
      },
    );
    sending.push(sent);
  }
  await Promise.all(sending);
  await ledger.end(stored, unsent);
  return goOn;
}

function count({ isFromLetter }: Replayed, report: ReplayReport): void {
  report.replayed++;
  if (isFromLetter) report.fromLetter++;
}
