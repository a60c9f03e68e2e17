// How much room the log has left, and how fast one producer goes on filling it: slower and slower, so that the end comes late and not
// at once, while somebody makes room. Boundary: when it may go; what goes is the producer's.
// LR1: the server is asked before the first message, and then once a second while there is something to send. In between the producer
//      counts its own: a log may be full sooner than the next answer comes.
// LR2: what is not known slows nothing: without the right to ask, without an answer, or without a limit it is as if the log had no end.
// LR3: one message a second may always go: it is how the log is found to have room, whatever was counted.
import { PermissionViolationError, type NatsConnection } from '@nats-io/transport-node';

/** Up to here a producer is as fast as it can. */
const FREE_SHARE = 0.8;
/** Near its end what is left would last for so long. Long, because every producer counts for itself: a hundred of them fill it in 6 s. */
const LASTS_S = 600;
const SLOWEST_MS = 1_000;
/** What was not used may be made up for, so far back: timers are late. */
const CREDIT_MS = 50;
const LOOK_MS = 1_000;
const LOOK_TIMEOUT_MS = 1_000;
/** Nothing was held up for so long: it is fast enough again. */
const LULL_MS = 2_000;
/** What the server stores around subject, headers and body: a frame, and the name of the shard in the subject. */
const FRAME_BYTES = 48;

const SLOW = `the log is more than ${FREE_SHARE * 100} % full: sending slowly, until there is room`;

/** How many bytes a second may go into a log that holds `bytes` of `bytesMax`: no limit at 80 %, none at all at 100 %, falling smoothly. */
export function bytesPerSecond(bytes: number, bytesMax: number): number {
  const share = bytes / bytesMax;
  if (!(share > FREE_SHARE)) return Infinity;
  const nearness = Math.min(1, (share - FREE_SHARE) / (1 - FREE_SHARE));
  return Math.max(0, bytesMax - bytes) / (LASTS_S * nearness);
}

type StreamInfo = {
  readonly config?: { readonly max_bytes?: number; readonly discard?: string };
  readonly state?: { readonly bytes?: number };
};

export class LogRoom {
  private readonly nc: Pick<NatsConnection, 'request'>;
  private readonly subject: string;
  private bytes = 0;
  private bytesMax = Infinity;
  /** What went since the last question was asked. */
  private since = 0;
  /** Before the first message a guess. */
  private lastSize = 1_024;
  private perSecond = Infinity;
  /** The next message may go then. */
  private freeAtMs = -Infinity;
  private heldAtMs = -Infinity;
  private askedAtMs = -Infinity;
  private asking = false;
  private denied = false;

  constructor(nc: Pick<NatsConnection, 'request'>, logStream: string) {
    this.nc = nc;
    this.subject = `$JS.API.STREAM.INFO.${logStream}`;
  }

  /** How many messages may go now; Infinity: as many as there are. */
  places(nowMs: number): number {
    if (this.perSecond === Infinity) return Infinity;
    if (nowMs < this.freeAtMs) return 0;
    const credit = (Math.min(CREDIT_MS, nowMs - this.freeAtMs) / 1000) * this.perSecond;
    return Math.max(1, Math.floor(credit / this.lastSize));
  }

  /** In how many milliseconds there will be a place; 0: now. */
  waitMs(nowMs: number): number {
    return this.perSecond === Infinity ? 0 : Math.max(0, this.freeAtMs - nowMs);
  }

  /** A message goes out. @param size with its headers and its subject */
  took(size: number, nowMs: number): void {
    this.since += size + FRAME_BYTES;
    this.lastSize = size + FRAME_BYTES;
    this.limit();
    if (this.perSecond === Infinity) return;
    const cost = Math.min(SLOWEST_MS, (this.lastSize / this.perSecond) * 1000);
    this.freeAtMs = Math.max(this.freeAtMs, nowMs - CREDIT_MS) + cost;
  }

  /** Something would have gone now, and had to wait. */
  held(nowMs: number): void {
    this.heldAtMs = nowMs;
  }

  /** Why it is slow, for people; null when nothing is held up. */
  why(nowMs: number): string | null {
    return this.perSecond < Infinity && nowMs - this.heldAtMs < LULL_MS ? SLOW : null;
  }

  /** Asks again when the last answer is old. */
  lookAgain(nowMs: number): Promise<void> | undefined {
    if (this.asking || this.denied || nowMs - this.askedAtMs < LOOK_MS) return undefined;
    this.askedAtMs = nowMs;
    return this.look();
  }

  /** @throws never */
  private async look(): Promise<void> {
    this.asking = true;
    this.bytes += this.since; // until the answer is here
    this.since = 0;
    try {
      const { config, state }: StreamInfo = (await this.nc.request(this.subject, '', { timeout: LOOK_TIMEOUT_MS })).json();
      const { max_bytes: bytesMax = -1, discard } = config ?? {};
      this.bytesMax = bytesMax > 0 && discard === 'new' ? bytesMax : Infinity;
      this.bytes = state?.bytes ?? 0;
    } catch (error) {
      this.denied = error instanceof PermissionViolationError;
      this.bytesMax = Infinity;
    }
    this.asking = false;
    this.limit();
  }

  private limit(): void {
    this.perSecond = bytesPerSecond(this.bytes + this.since, this.bytesMax);
  }
}
