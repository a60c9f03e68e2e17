// What random logs of deletes and erasures have found, each as the few messages that show it.
import { expect, it } from 'vitest';
import { formatTime } from '../../src/base/time.ts';
import { ShardOracle } from '../../src/oracle/brute_force.ts';
import { ChainChecker, type ChainEvent } from '../../src/oracle/chain.ts';
import { compareProfile } from '../../src/oracle/compare.ts';
import { ALL_CHANGES } from '../../src/ports/profile_store.ts';
import { CommitBuilder } from '../../src/shard/commit_builder.ts';
import { CommitEncoder } from '../../src/shard/commit_encoder.ts';
import { FoldRun, LogWriter, planWith, ROOT } from '../unit/shard/fold_run.ts';

const T = Date.UTC(2026, 0, 1);
const PLAN = planWith({ channel: { function: 'mostRecent', value: 'event.channel', window: { sliding: '1s' } } });
const KEY = 'customerId.ada';
const HASH = 'a'.repeat(64);
const hashOf = (key: string): string => (key === KEY ? HASH : 'b'.repeat(64));

class Found {
  readonly log = new LogWriter();
  readonly run = new FoldRun(PLAN, Infinity);
  private readonly oracle = new ShardOracle({ root: ROOT, shard: 0, partitions: 1, planOf: () => PLAN, hashOf });
  private readonly chain = new ChainChecker({ hashOf });
  private readonly encoder = new CommitEncoder({ root: ROOT, logStream: 'L', shard: 0, generation: 1, repeatedThrough: 0 });
  private readonly builder: CommitBuilder;

  constructor() {
    const start = { sequence: 0, ordinal: ALL_CHANGES, message: null, count: 0, digest: 0, plan: null, foldVersion: 3 };
    this.builder = new CommitBuilder({ sourceLength: this.encoder.source.length, start });
    this.run.erasures = {
      hashOf,
      keyOf: (hash) => (hash === HASH ? KEY : undefined),
      recordedAt: () => undefined,
      hasHoles: false,
      resolve: () => Promise.resolve(),
    };
    this.run.restart();
    this.log.definitions(PLAN, T);
  }

  event(id: string, ms: number, dataset = 'orders', who = 'ada'): void {
    this.log.event(who, { _id: id, timestamp: formatTime(T + ms), channel: id }, T + ms, dataset);
  }

  /** Everything up to here goes out in one commit. */
  play(): void {
    for (const message of this.log.messages.slice(this.oracle.lastSequence)) {
      this.oracle.feed(message);
      this.builder.add(this.run.apply(message).changes, 0, message, this.run.fold.plan, this.run.fold.foldVersion);
    }
    for (let commit = this.builder.take(); commit !== undefined; commit = this.builder.take())
      for (const event of JSON.parse(this.encoder.encode(commit).toString()) as ChainEvent[]) this.chain.feed(event);
  }

  problems(key = KEY): unknown[] {
    const view = this.run.view(key);
    return [...this.chain.problems, ...(view === undefined ? [] : compareProfile(view, this.oracle))];
  }
}

it('a value that had left its window behind one of a dataset that is deleted', () => {
  const found = new Found();
  found.event('older', 0, 'returns');
  found.event('newer', 500);
  found.log.control({ kind: 'deleteDataset', dataset: 'orders' }, T + 1200);
  found.play();
  expect([found.problems(), found.run.view(KEY)!.computed]).toEqual([[], {}]);
});

it('the same, as it is read before the sweep comes', () => {
  const found = new Found();
  for (let n = 0; n < 32; n++) found.event('x', 0, 'returns', `a${n}`);
  found.event('older', 0, 'returns', 'b');
  found.event('newer', 500, 'orders', 'b');
  found.log.control({ kind: 'deleteDataset', dataset: 'orders' }, T + 1000);
  found.log.control({ kind: 'hole' }, T + 1200);
  found.play();
  expect([found.problems('customerId.b'), found.run.view('customerId.b')!.computed]).toEqual([[], {}]);
});

it('who is erased without being there, and comes again, has a chain that goes on from its last change event', () => {
  const found = new Found();
  found.event('a', 0);
  found.play();
  found.log.write('ada', '', T + 1, { dataset: '_profile', operation: 'delete' });
  found.play();
  found.log.control({ kind: 'erase', hash: HASH }, T + 2);
  found.event('b', 3);
  found.play();
  expect(found.problems()).toEqual([]);
});

it('who is erased and comes again within one commit', () => {
  const found = new Found();
  found.event('a', 0);
  found.log.control({ kind: 'erase', hash: HASH }, T + 1);
  found.event('b', 2);
  found.log.control({ kind: 'erase', hash: HASH }, T + 3);
  found.event('c', 4);
  found.play();
  expect(found.problems()).toEqual([]);
});
