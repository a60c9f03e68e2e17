// The change stream's twin and that of the dead letters: what was published, by whom, and what its author was told.
// SS1: a commit is stored only if the one that it names is the last one (the fence), whoever sends it and however late it comes.
// SS2: an author hears `committed` only of what is stored; `unavailable` says nothing about what will be stored later.
import { errorText, VisageError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type {
  ChangeSink,
  CommitHeader,
  CommitOutcome,
  DeadLetterRecord,
  DeadLetterSink,
  LastCommit,
} from '../ports/change_sink.ts';
import type { Life } from './life.ts';
import type { Faults } from './swarm.ts';

export type StoredCommit = LastCommit & { readonly body: string };

/** What a planted bug does to the change stream. */
export type SinkBugs = { readonly storesTwice: boolean; readonly acknowledgesFirst: boolean; readonly skipsFence: boolean };

export type SimulatedSinkOptions = {
  readonly random: Random;
  readonly faults: () => Faults;
  readonly neighbours: boolean;
  readonly bugs: SinkBugs;
  /** Hears every commit when it is stored. */
  readonly onStored: (commit: StoredCommit) => void;
  /** Hears what must not happen. */
  readonly onProblem: (problem: string) => void;
};

const CREATED = '2026-01-01T00:00:01Z';
const LATE_MS_MAX = 2_000;

export class SimulatedSink {
  last: StoredCommit | undefined;
  private readonly options: SimulatedSinkOptions;
  private before: StoredCommit | undefined;
  private streamSequence = 0;
  private unwritten: (StoredCommit & { readonly author: Life })[] = [];

  constructor(options: SimulatedSinkOptions) {
    this.options = options;
  }

  port(life: Life): ChangeSink {
    const { random, faults, onProblem } = this.options;
    const ask = <T>(port: string, act: () => T): Promise<T> =>
      life.call(port, () => {
        if (random.next() < faults().questionsFail)
          throw new VisageError('unavailable', 'the leader does not answer', { kind: 'retry' });
        return act();
      });
    let inFlight = false;
    return {
      last: () => ask('sink.last', () => this.last),
      state: () => ask('sink.state', () => ({ created: CREATED, firstSequence: 1, lastSequence: this.streamSequence })),
      publish: async (header, body, previous) => {
        if (life.fenced) onProblem(`I4: ${life.owner} publishes although it was told that it is fenced`);
        if (inFlight) onProblem(`CU: ${life.owner} has two commits in flight`);
        inFlight = true;
        const outcome = await life
          .call('sink.publish', () => this.publish(life, header, Buffer.from(body).toString(), previous), true)
          .catch((error: unknown): CommitOutcome => ({ kind: 'unavailable', why: errorText(error) }));
        inFlight = false;
        if (outcome.kind === 'fenced') life.fenced = true;
        return outcome;
      },
    };
  }

  /** The server comes back without its last commit. @param known the commit that a disk knows  @returns whether that is one it does not have */
  loseTail(known: number): boolean {
    if (this.before === undefined || this.last === undefined || known < this.last.streamSequence) return false;
    this.last = this.before;
    this.streamSequence = this.before.streamSequence;
    return true;
  }

  private publish(life: Life, header: CommitHeader, body: string, previous: LastCommit | undefined): CommitOutcome {
    const { random, faults, bugs } = this.options;
    const { sinkRefuses, sinkLosesAnswer, sinkStoresLate } = faults();
    if (random.next() < sinkRefuses) return { kind: 'unavailable', why: 'no answer' };
    if (random.next() < sinkStoresLate) {
      life.late(random.below(LATE_MS_MAX), () => void this.store(header, body, previous));
      return { kind: 'unavailable', why: 'it is still on its way' };
    }
    if (bugs.acknowledgesFirst) return this.acknowledge(life, header, body, previous);
    const outcome = this.store(header, body, previous);
    if (outcome.kind === 'committed' && random.next() < sinkLosesAnswer)
      return { kind: 'unavailable', why: 'the answer was lost' };
    return outcome;
  }

  /** The planted bug: what is acknowledged is stored a little later, and lost when its author dies before. */
  private acknowledge(life: Life, header: CommitHeader, body: string, previous: LastCommit | undefined): CommitOutcome {
    this.unwritten = this.unwritten.filter((commit) => !commit.author.dead);
    const last = this.unwritten.at(-1) ?? this.last;
    if (last?.streamSequence !== previous?.streamSequence) return this.store(header, body, previous);
    const streamSequence = ++this.streamSequence;
    this.unwritten.push({ author: life, streamSequence, header, body });
    life.later(this.options.random.below(LATE_MS_MAX), () => {
      while (this.unwritten.length > 0 && this.unwritten[0]!.streamSequence <= streamSequence) {
        this.last = this.unwritten.shift()!;
        this.options.onStored(this.last);
      }
    });
    return { kind: 'committed', streamSequence };
  }

  private store(header: CommitHeader, body: string, previous: LastCommit | undefined): CommitOutcome {
    const { last } = this;
    if (last?.streamSequence !== previous?.streamSequence && !this.options.bugs.skipsFence) {
      // found out as the product's sink does: the last one may be this very commit
      if (last !== undefined && isSame(last.header, header)) {
        if (this.options.bugs.storesTwice) this.add(header, body);
        return { kind: 'committed', streamSequence: this.last!.streamSequence };
      }
      return { kind: 'fenced', by: `${last?.header.owner}, epoch ${last?.header.epoch}` };
    }
    return { kind: 'committed', streamSequence: this.add(header, body) };
  }

  private add(header: CommitHeader, body: string): number {
    const { random, neighbours, onStored } = this.options;
    this.streamSequence += neighbours ? 1 + random.below(3) : 1;
    this.before = this.last;
    this.last = { streamSequence: this.streamSequence, header: structuredClone(header), body };
    onStored(this.last);
    return this.streamSequence;
  }
}

function isSame(found: CommitHeader, sent: CommitHeader): boolean {
  const same = found.position.sequence === sent.position.sequence && found.position.ordinal === sent.position.ordinal;
  return same && found.owner === sent.owner && found.epoch === sent.epoch && found.changeCount === sent.changeCount;
}

export class SimulatedDeadLetters {
  /** Reasons by the sequence of the refused message. */
  readonly stored = new Map<number, string>();
  private readonly options: {
    readonly random: Random;
    readonly faults: () => Faults;
    readonly loses: boolean;
    readonly onStored: (letter: DeadLetterRecord) => void;
  };

  constructor(options: SimulatedDeadLetters['options']) {
    this.options = options;
  }

  port(life: Life): DeadLetterSink {
    const { random, faults, loses, onStored } = this.options;
    let closed = false;
    return {
      send: async (letter) => {
        for (;;) {
          if (closed) throw new VisageError('stopped', 'the shard is stopping', { kind: 'retry' });
          const isStored = await life
            .call(
              'sink.letters',
              () => {
                if (random.next() < faults().lettersFail) return false;
                if (loses && random.next() < 0.2) return true;
                this.stored.set(letter.message.sequence, letter.reason);
                onStored(letter);
                return true;
              },
              true,
            )
            .catch(() => false);
          if (isStored) return;
          await new Promise<void>((resolve) => void life.later(100, resolve));
        }
      },
      close: () => void (closed = true),
    };
  }
}
