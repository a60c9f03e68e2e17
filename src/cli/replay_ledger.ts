// Which dead letters were replayed: two bits a letter in the meta bucket, 4,096 letters a key.
// RL1: a letter is `begun` before it is sent and `done` when the log has it: whoever finds one begun and not done (a replay that was
//      killed, or one that runs now) cannot know whether it is in the log, and says so instead of sending it once more.
// RL2: every write names the revision that it replaces: of two replays at once one gets a letter.
// RL3: a dead-letter stream that was made again starts at 1: what is known of the old one is not believed.
import { VisageError } from '../base/errors.ts';

const BLOCK = 4_096;
const TRIES = 20;

/** The part of the meta bucket that it needs. */
export type LedgerStore = {
  entry(key: string): Promise<{ readonly value: string | undefined; readonly revision: number }>;
  putAt(key: string, value: string, revision: number): Promise<number>;
};

export type LetterState = 'new' | 'begun' | 'done';

type Stored = { readonly created: string; readonly begun: string; readonly done: string };
type Block = { readonly begun: Uint8Array; readonly done: Uint8Array };

export class ReplayLedger {
  private readonly store: LedgerStore;
  private readonly created: string;

  /** @param created when the dead-letter stream was made */
  constructor(store: LedgerStore, created: string) {
    this.store = store;
    this.created = created;
  }

  async statesOf(deadSequences: readonly number[]): Promise<ReadonlyMap<number, LetterState>> {
    const states = new Map<number, LetterState>();
    for (const [key, sequences] of Map.groupBy(deadSequences, keyOf)) {
      const { block } = await this.read(key);
      for (const sequence of sequences) states.set(sequence, stateIn(block, sequence));
    }
    return states;
  }

  /** Begins those of these letters that are new; `again`: all of them.
   *  @returns what each was before: those that were new (or all, `again`) are the caller's to send
   *  @throws VisageError `conflict`, `unavailable` (retry) */
  async begin(deadSequences: readonly number[], again: boolean): Promise<ReadonlyMap<number, LetterState>> {
    const before = new Map<number, LetterState>();
    await this.change(deadSequences, (block, sequence) => {
      const state = stateIn(block, sequence);
      before.set(sequence, state);
      if (state !== 'new' && !again) return;
      set(block.begun, sequence, true);
      set(block.done, sequence, false);
    });
    return before;
  }

  /** Of letters that were begun. @param stored the log has them   @param unsent it has not, for sure: what they were before, they are again */
  async end(stored: readonly number[], unsent: ReadonlyMap<number, LetterState>): Promise<void> {
    await this.change([...stored, ...unsent.keys()], (block, sequence) => {
      const before = unsent.get(sequence);
      set(block.begun, sequence, before === 'begun');
      set(block.done, sequence, before === undefined || before === 'done');
    });
  }

  private async change(deadSequences: readonly number[], how: (block: Block, deadSequence: number) => void): Promise<void> {
    for (const [key, sequences] of Map.groupBy(deadSequences, keyOf)) await this.changeOne(key, sequences, how);
  }

  private async changeOne(
    key: string,
    sequences: readonly number[],
    how: (block: Block, deadSequence: number) => void,
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      const { block, revision } = await this.read(key);
      const before = this.encode(block);
      for (const sequence of sequences) how(block, sequence);
      const after = this.encode(block);
      if (after === before) return;
      try {
        await this.store.putAt(key, after, revision);
        return;
      } catch (error) {
        const isConflict = error instanceof VisageError && error.code === 'conflict';
        if (!isConflict || tries === TRIES) throw error;
      }
    }
  }

  private async read(key: string): Promise<{ readonly block: Block; readonly revision: number }> {
    const { value, revision } = await this.store.entry(key);
    const stored = value === undefined ? undefined : (JSON.parse(value) as Stored);
    if (stored === undefined || stored.created !== this.created)
      return { block: { begun: new Uint8Array(BLOCK / 8), done: new Uint8Array(BLOCK / 8) }, revision };
    return { block: { begun: Buffer.from(stored.begun, 'base64'), done: Buffer.from(stored.done, 'base64') }, revision };
  }

  private encode({ begun, done }: Block): string {
    const text = (bits: Uint8Array): string => Buffer.from(bits).toString('base64');
    return JSON.stringify({ created: this.created, begun: text(begun), done: text(done) } satisfies Stored);
  }
}

function keyOf(deadSequence: number): string {
  return `dead.replayed.${Math.floor(deadSequence / BLOCK)}`;
}

function stateIn({ begun, done }: Block, deadSequence: number): LetterState {
  if (get(begun, deadSequence)) return 'begun';
  return get(done, deadSequence) ? 'done' : 'new';
}

function get(bits: Uint8Array, deadSequence: number): boolean {
  const at = deadSequence % BLOCK;
  return (bits[at >> 3]! & (1 << (at & 7))) !== 0;
}

function set(bits: Uint8Array, deadSequence: number, on: boolean): void {
  const at = deadSequence % BLOCK;
  if (on) bits[at >> 3]! |= 1 << (at & 7);
  else bits[at >> 3]! &= ~(1 << (at & 7));
}
