// Sees everything that leaves the shard and everything that it stores, and knows from the log alone what it should have been.
// W1: nothing of the product's incremental code is used here: values come from the oracle.
// W2: the first problem is the result; what follows from it is not looked at.
// W3: commits: each reaches at least as far as the one before, changes are one unbroken chain per profile, each of them once; a sampled
//     change event says what the oracle says. Dead letters of what a commit passes are stored (I5). Checkpoints never pass the last
//     stored commit (I3).
import { fnv1a32 } from '../base/fnv1a.ts';
import { parseRfc3339 } from '../base/time.ts';
import { identityKey, type IdentityKey } from '../message/identity.ts';
import type { LogMessage } from '../message/log_message.ts';
import { ShardOracle, type ShardOracleOptions } from '../oracle/brute_force.ts';
import { ChainChecker, type ChainEvent } from '../oracle/chain.ts';
import { DELETED, isErasure } from '../oracle/chain_event.ts';
import { isLeafName } from '../oracle/chain_values.ts';
import { compareExport, compareProfile, type Difference, type ExportedProfile } from '../oracle/compare.ts';
import { jsonEqual } from '../oracle/json_equal.ts';
import { namedLeaves } from '../oracle/json_tree.ts';
import type { DeadLetterRecord } from '../ports/change_sink.ts';
import { ALL_CHANGES, type Position, type ShardMeta } from '../ports/profile_store.ts';
import type { StoredCommit } from './simulated_sink.ts';

/** What was wrong, and at which sequence of the log. */
export type Finding = { readonly what: string; readonly sequence: number };

/** One change event in so many is compared with the oracle; all of them are links of their chain. */
const EVENTS_PER_LOOK = 8;

type CommittedEvent = ChainEvent & { readonly time: string };

export class Witness {
  finding: Finding | null = null;
  readonly oracle: ShardOracle;
  readonly chain: ChainChecker;
  comparisons = 0;
  commits = 0;
  checkpoints = 0;
  /** Everything observed so far, as one number. */
  hash = 0x811c9dc5;
  private readonly letters = new Map<number, string>();
  private refused: number[] = [];
  /** Of every message of the log. */
  private readonly sequences: number[] = [];
  private position: Position = { sequence: 0, ordinal: ALL_CHANGES };
  private epoch = 0;
  private changeCount = 0;
  private sinceLook = 0;

  constructor(options: ShardOracleOptions) {
    this.oracle = new ShardOracle(options);
    const { hashOf } = options;
    this.chain = new ChainChecker({ problemsMax: 1, ...(hashOf === undefined ? {} : { hashOf }) });
  }

  /** Refused messages whose dead letter is not stored yet. */
  get lettersOwed(): boolean {
    return this.refused.some((sequence) => !this.letters.has(sequence));
  }

  problem(what: string, sequence: number = this.oracle.lastSequence): void {
    this.finding ??= { what, sequence };
  }

  observed(text: string): void {
    this.hash = fnv1a32(text, this.hash);
  }

  stored(message: LogMessage): void {
    this.oracle.feed(message);
    this.sequences.push(message.sequence);
    this.observed(`m${message.sequence}@${message.stampMs}`);
    if (this.oracle.refused.has(message.sequence)) this.refused.push(message.sequence);
  }

  committed({ streamSequence, header, body }: StoredCommit): void {
    this.commits++;
    this.observed(`c${streamSequence} ${header.epoch} ${body}`);
    const { position, epoch, changeCount } = header;
    const { sequence } = position;
    if (!reaches(position, this.position)) this.problem('a commit stands before the one that it follows', sequence);
    if (epoch < this.epoch) this.problem(`a commit of epoch ${epoch} follows one of epoch ${this.epoch} (I4)`, sequence);
    if (changeCount < this.changeCount) this.problem(`change-count fell from ${this.changeCount} to ${changeCount}`, sequence);
    this.position = position;
    this.epoch = epoch;
    this.changeCount = changeCount;
    for (const event of JSON.parse(body) as CommittedEvent[]) this.changed(event);
    const problem = this.chain.problems[0];
    if (problem !== undefined) this.problem(`change events: ${problem}`, sequence);
    this.lettersThrough(position);
  }

  letter(letter: DeadLetterRecord): void {
    const { sequence } = letter.message;
    this.observed(`d${sequence} ${letter.reason}`);
    const expected = this.oracle.refused.get(sequence);
    if (letter.reason !== expected)
      this.problem(`the dead letter says ${letter.reason}, should be ${expected ?? 'none'}`, sequence);
    this.letters.set(sequence, letter.reason);
  }

  checkpointed(meta: ShardMeta): void {
    this.checkpoints++;
    this.observed(`p${meta.applied} ${meta.changeCount} ${meta.profiles}`);
    if (!reaches(this.position, { sequence: meta.applied, ordinal: ALL_CHANGES })) {
      const { sequence, ordinal } = this.position;
      this.problem(`I3: a checkpoint at ${meta.applied} passes the last commit at ${sequence}/${ordinal}`, meta.applied);
    }
    const profiles = this.oracle.countedAt(meta.applied);
    if (meta.profiles !== profiles)
      this.problem(`the checkpoint counts ${meta.profiles} profiles, should be ${profiles}`, meta.applied);
  }

  /** A profile was read with everything up to `after` in it; `through`: the shard's last message up to there. */
  read(key: IdentityKey, after: number, through: number, view: ExportedProfile | undefined): void {
    this.comparisons++;
    this.observed(JSON.stringify(view) ?? `none ${key}`);
    if (view === undefined) {
      if (this.wasThere(key, through)) this.problem('a profile that exists was not found', after);
      return;
    }
    if (view.sequence < through) this.problem(`a read after ${after} was answered as of ${view.sequence}`, after);
    this.differ(compareProfile(view, this.oracle), view.sequence);
  }

  /** Every profile as of one sequence. */
  exported(views: readonly ExportedProfile[], sequence: number): void {
    this.comparisons += views.length;
    this.observed(JSON.stringify(views));
    this.differ(compareExport(views, { oracles: [this.oracle], cuts: new Map([[this.oracle.shard, sequence]]) }), sequence);
  }

  /** Nothing comes any more: the chains end where the profiles stand, and every refused message has its letter. */
  ended(views: readonly ExportedProfile[]): void {
    const wrong = this.chain.checkAgainstExport(views)[0];
    if (wrong !== undefined) this.problem(`change events: ${wrong}`);
    this.lettersThrough({ sequence: Infinity, ordinal: ALL_CHANGES });
  }

  /** Is the profile there at `through`, and was it ever since? Nobody says as of when it was not found. */
  private wasThere(key: IdentityKey, through: number): boolean {
    const at = this.sequences.findLastIndex((sequence) => sequence <= through);
    return at >= 0 && this.sequences.slice(at).every((sequence) => this.oracle.keys(sequence).includes(key));
  }

  private changed(event: CommittedEvent): void {
    this.chain.feed(event);
    if (this.sinceLook++ % EVENTS_PER_LOOK !== 0 || event.data.truncated === true || isErasure(event)) return;
    const key = identityKey(event.data.profile);
    const { oracle } = this;
    const { version, changes } = event.data;
    const timeMs = parseRfc3339(event.time);
    if (timeMs !== oracle.shardTimeAt(version)) this.problem(`a change event has the time ${event.time}`, version);
    // until the sweep comes to a profile, its change events are of what readers do not see any more
    if (!oracle.isCleared(key, version)) return;
    const facts = oracle.factsAt(key, version);
    // where some may have been folded together, only a view says how exact a value is
    if (facts !== undefined && facts.events.length > oracle.exactEventsAt(version)) return;
    this.comparisons++;
    if ((facts === undefined) !== (event.type === DELETED)) this.problem(`a change event is a ${event.type}`, version);
    const values = oracle.profileAt(key, timeMs, version);
    const leaves = namedLeaves(oracle.attributesAt(key, version) ?? {});
    for (const { path, after } of changes) {
      const right = isLeafName(path) ? leaves.get(path) : values?.[path.slice('computed.'.length)]?.value;
      if (!jsonEqual(after, right))
        this.problem(`a change event says ${path} is ${text(after)}, should be ${text(right)}`, version);
    }
  }

  private lettersThrough({ sequence, ordinal }: Position): void {
    const open: number[] = [];
    for (const refused of this.refused) {
      const isPassed = refused < sequence || (refused === sequence && ordinal === ALL_CHANGES);
      if (!isPassed) open.push(refused);
      else if (!this.letters.has(refused)) this.problem('I5: a commit passes a refused message without its dead letter', refused);
    }
    this.refused = open;
  }

  private differ(differences: readonly Difference[], sequence: number): void {
    const first = differences[0];
    if (first === undefined) return;
    const { profileHash, path, exported, expected } = first;
    this.problem(`profile ${profileHash}: ${path} is ${text(exported)}, should be ${text(expected)}`, sequence);
  }
}

function reaches(a: Position, b: Position): boolean {
  if (a.sequence !== b.sequence) return a.sequence > b.sequence;
  return a.ordinal === ALL_CHANGES || (b.ordinal !== ALL_CHANGES && a.ordinal >= b.ordinal);
}

function text(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value).slice(0, 100);
}
