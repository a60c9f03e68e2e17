// Are log and change stream still the ones that the shard began with? Looked at while it works: a reader hears nothing of a stream that was
// deleted, made again or rewound, it only waits.
// SW1: what is wrong ends the life; the next one looks closer, and halts with the reason (recovery.ts).
import { VisageError } from '../base/errors.ts';
import type { ChangeSink } from '../ports/change_sink.ts';
import type { ShardLog, StreamState } from '../ports/log.ts';

export type StreamWatchOptions = {
  readonly log: Pick<ShardLog, 'state'>;
  readonly sink: Pick<ChangeSink, 'state'>;
  readonly logCreated: string;
  readonly changesCreated: string;
};

export class StreamWatch {
  private readonly options: StreamWatchOptions;
  private looking = false;

  constructor(options: StreamWatchOptions) {
    this.options = options;
  }

  /** @param applied a sequence that the log has  @param committed a sequence that the change stream has
   *  @returns what is wrong; undefined when nothing is, or nobody answers  Cost: two requests */
  async look(applied: number, committed: number): Promise<VisageError | undefined> {
    if (this.looking) return undefined;
    this.looking = true;
    const { log, sink, logCreated, changesCreated } = this.options;
    try {
      const [logState, changesState] = await Promise.all([log.state(), sink.state()]);
      return wrong('log', logState, logCreated, applied) ?? wrong('change stream', changesState, changesCreated, committed);
    } catch (error) {
      const isGone = error instanceof VisageError && error.code === 'no_stream';
      return isGone ? error : undefined; // no answer: asked again
    } finally {
      this.looking = false;
    }
  }
}

function wrong(what: string, { created, lastSequence }: StreamState, known: string, has: number): VisageError | undefined {
  if (created === known && lastSequence >= has) return undefined;
  const text = `the ${what} is not the one that this shard began with, or has lost its end: it is looked at closer`;
  return new VisageError('stream_changed', text, { kind: 'retry' });
}
