// What is sent and not answered: attempts, answers, and the state of the connection.
// FL1: a message is sent again, in the order of `send`, under its own message id, until a clear answer or the end of `retryForMs`:
//      the server drops repetitions inside its duplicate window, and after that nobody can say whether it was stored (`unknown`).
// FL2: nothing is handed to the connection while it is down: the client would keep it without bound.
// FL3: in trouble only the oldest message is tried: it finds out for all. When none is left to find out, the trouble is forgotten.
import type { Msg, NatsConnection, Status, Subscription } from '@nats-io/transport-node';
import { errorText, VisageError } from '../base/errors.ts';
import { inboxOf } from '../nats/connection.ts';
import { answerOf, givenUp, type Answer, type Delivery } from './delivery.ts';

const SWEEP_MS = 100;
const BACK_OFF_MS = 250;
/** A root that was never set up is told from a server that is just starting. */
const NOT_SET_UP_MS = 5_000;

/** What `waitingFor` is about. `slow`: the log is nearly full. */
export type WaitingCode = 'log_full' | 'unavailable' | 'slow';

const FULL = 'the log is full';

export type FlightSetup = {
  readonly nc: NatsConnection;
  readonly root: string;
  readonly retryForMs: number;
  /** How long an attempt may go without an answer before it is repeated. */
  readonly attemptMs: number;
  readonly onWaiting: (why: string | null) => void;
  /** A message was answered or given up, or the way is open again. */
  readonly onRoom: () => void;
  /** The connection was closed. */
  readonly onEnd: () => void;
};

export class Flight {
  private readonly setup: FlightSetup;
  private readonly inbox: string;
  private readonly answers: Subscription;
  private readonly statuses: AsyncIterable<Status> & { stop?(): void };
  /** In the order of `send`. */
  private readonly flying = new Map<number, Delivery>();
  private connected = true;
  private ended = false;
  private denied = false;
  /** Some message was stored: the root is set up. */
  private stored = false;
  /** Since when no stream takes messages; 0: not known. */
  private noStreamSinceMs = 0;
  private trouble: string | null = null;
  /** Why messages are launched slowly. */
  private slow: string | null = null;
  private said: string | null = null;
  private sweep: NodeJS.Timeout | undefined;

  constructor(setup: FlightSetup) {
    this.setup = setup;
    this.inbox = inboxOf(setup.nc);
    this.answers = setup.nc.subscribe(`${this.inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.answered(message);
        else this.denied = true;
      },
    });
    this.statuses = setup.nc.status();
    void this.watch();
  }

  get size(): number {
    return this.flying.size;
  }

  get oldestId(): number | undefined {
    return this.flying.keys().next().value;
  }

  /** Why nothing may be launched; null when it may. */
  get blockedBy(): string | null {
    return this.connected ? this.trouble : 'the connection to NATS is lost';
  }

  get waitingFor(): string | null {
    return this.blockedBy ?? this.slow;
  }

  get waitingCode(): WaitingCode | null {
    if (this.blockedBy !== null) return this.connected && this.trouble === FULL ? 'log_full' : 'unavailable';
    return this.slow === null ? null : 'slow';
  }

  /** Whoever launches holds messages back, or does so no more. */
  slowFor(why: string | null): void {
    if (why === this.slow) return;
    this.slow = why;
    this.say(this.trouble);
  }

  /** Makes sure that answers can be heard. @throws VisageError `not_allowed` */
  async open(): Promise<void> {
    await this.setup.nc.flush().catch(() => undefined); // a connection that is down just now: the retries take care
    if (this.denied)
      throw new VisageError(
        'not_allowed',
        'this user may not subscribe to its inbox, so it cannot hear acknowledgements; its permissions must allow to subscribe to _INBOX.>, or to what inboxPrefix says',
        { kind: 'usage' },
      );
  }

  launch(delivery: Delivery): void {
    this.flying.set(delivery.id, delivery);
    this.sweep ??= setInterval(() => this.look(), SWEEP_MS);
    this.attempt(delivery, performance.now());
  }

  /** What is still under way is given up. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    clearInterval(this.sweep);
    if (!this.setup.nc.isClosed()) this.answers.unsubscribe();
    this.statuses.stop?.(); // a connection that lives on would keep it
    const open = [...this.flying.values()];
    this.flying.clear();
    for (const delivery of open) delivery.reject(givenUp(delivery, 'before the producer was closed'));
  }

  private attempt(delivery: Delivery, nowMs: number): void {
    if (delivery.firstSentMs === 0) delivery.firstSentMs = nowMs;
    delivery.lastSentMs = nowMs;
    delivery.retryAtMs = 0;
    try {
      this.setup.nc.publish(delivery.subject, delivery.body, {
        reply: `${this.inbox}.${delivery.id}`,
        headers: delivery.headers,
      });
    } catch (cause) {
      if (this.setup.nc.isClosed() || this.setup.nc.isDraining()) return; // `watch` hears of it and ends
      const text = `the message cannot be published: ${errorText(cause)}`;
      this.refuse(delivery, new VisageError('refused', text, { cause, kind: 'refuse' }));
    }
  }

  private answered(message: Msg): void {
    const delivery = this.flying.get(Number(message.subject.slice(this.inbox.length + 1)));
    if (delivery === undefined) return; // an answer to an attempt before the one that was answered
    const answer = answerOf(message);
    switch (answer.kind) {
      case 'stored': {
        const { sequence, duplicate } = answer;
        this.stored = true;
        this.flying.delete(delivery.id);
        delivery.resolve({ shard: delivery.shard, sequence, duplicate, identity: delivery.identity });
        this.goOn();
        return this.settled();
      }
      case 'refused':
        return this.refuse(
          delivery,
          new VisageError(answer.code, `the log refused the message: ${answer.text}`, { kind: 'refuse' }),
        );
      case 'later':
        return this.putOff(delivery, answer);
    }
  }

  private putOff(delivery: Delivery, { why, text }: Extract<Answer, { kind: 'later' }>): void {
    const nowMs = performance.now();
    if (why === 'no_responders' && !this.stored) {
      if (this.noStreamSinceMs === 0) this.noStreamSinceMs = nowMs;
      if (nowMs - this.noStreamSinceMs > NOT_SET_UP_MS) return this.notSetUp();
    }
    if (why === 'in_process') delivery.unclear = true;
    const code = why === 'log_full' ? 'log_full' : 'unavailable';
    delivery.lastRefusal = new VisageError(code, `the log does not take the message: ${text}`, { kind: 'retry' });
    delivery.retryAtMs = nowMs + BACK_OFF_MS;
    if (why !== 'in_process') this.say(why === 'log_full' ? FULL : 'the log is not available');
  }

  /** What one message found out holds for all that were refused in the same way. */
  private notSetUp(): void {
    const text = `no stream takes messages of root '${this.setup.root}'; run 'visage setup' first`;
    for (const delivery of [...this.flying.values()])
      if (!delivery.unclear) this.fail(delivery, new VisageError('not_set_up', text));
  }

  /** The log takes messages again: what was put off, or heard nothing for long, goes out at once. */
  private goOn(): void {
    if (this.trouble === null) return;
    this.say(null);
    const nowMs = performance.now();
    for (const delivery of this.flying.values())
      if (delivery.retryAtMs > 0 || this.isSilent(delivery, nowMs)) this.attempt(delivery, nowMs);
  }

  /** Looks for what is late. */
  private look(): void {
    const nowMs = performance.now();
    let tried = false;
    for (const delivery of [...this.flying.values()]) {
      if (nowMs - delivery.firstSentMs >= this.setup.retryForMs) {
        this.fail(delivery, givenUp(delivery, `within ${Math.round(this.setup.retryForMs / 1000)} s`));
        continue;
      }
      if (!this.connected || (tried && this.trouble !== null)) continue;
      const silent = this.isSilent(delivery, nowMs);
      if (silent) this.say('the server does not answer');
      if (silent || (delivery.retryAtMs > 0 && delivery.retryAtMs <= nowMs)) this.attempt(delivery, nowMs);
      tried = true;
    }
  }

  private isSilent(delivery: Delivery, nowMs: number): boolean {
    const silent = delivery.retryAtMs === 0 && nowMs - delivery.lastSentMs >= this.setup.attemptMs;
    if (silent) delivery.unclear = true;
    return silent;
  }

  /** A refusal is about one attempt: an earlier one that went without an answer may be stored all the same. */
  private refuse(delivery: Delivery, error: VisageError): void {
    this.fail(delivery, delivery.unclear ? givenUp(delivery, 'before an attempt was refused') : error);
  }

  private fail(delivery: Delivery, error: VisageError): void {
    if (!this.flying.delete(delivery.id)) return;
    delivery.reject(error);
    this.settled();
  }

  private settled(): void {
    if (this.flying.size === 0) {
      clearInterval(this.sweep);
      this.sweep = undefined;
      this.say(null);
    }
    this.setup.onRoom();
  }

  private say(trouble: string | null): void {
    this.trouble = trouble;
    const why = this.waitingFor;
    if (why === this.said) return;
    this.said = why;
    // outside of the connection's reader and of our state changes: the callback may call the producer again
    queueMicrotask(() => {
      try {
        this.setup.onWaiting(why);
      } catch {
        // the caller's mistake: thrown in a microtask it would end the process, and no `send` is to blame for it
      }
    });
  }

  /** Ends when the connection is closed, or the flight. */
  private async watch(): Promise<void> {
    for await (const status of this.statuses) {
      if (this.ended) return;
      if (status.type === 'disconnect') {
        this.connected = false;
        for (const delivery of this.flying.values()) if (delivery.retryAtMs === 0) delivery.unclear = true;
        this.say(this.trouble);
      } else if (status.type === 'reconnect') {
        this.connected = true;
        this.noStreamSinceMs = 0;
        this.say(null);
        const nowMs = performance.now();
        for (const delivery of this.flying.values()) this.attempt(delivery, nowMs);
        this.setup.onRoom();
      } else if (status.type === 'error') this.notAllowed(status.error);
    }
    if (!this.ended) this.setup.onEnd();
  }

  /** A denied publish has no answer: the server says so on the connection. */
  private notAllowed(error: Error): void {
    const { operation, subject } = error as Error & { readonly operation?: string; readonly subject?: string };
    if (operation !== 'publish') return;
    const text = `this user may not publish to that dataset and namespace; its permissions must allow to publish to ${this.setup.root}.in.<dataset>.>`;
    for (const delivery of [...this.flying.values()])
      if (delivery.subject === subject) this.refuse(delivery, new VisageError('not_allowed', text, { kind: 'usage' }));
  }
}
