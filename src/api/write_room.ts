// How much may come in at once: requests, and the bytes of their bodies. WR1: counted before a body is read: many large ones that come together
// are turned away, not held.

const REQUESTS_MAX = 1_000;
const BYTES_MAX = 32 * 1024 * 1024;

export class WriteRoom {
  private requests = 0;
  private bytes = 0;

  /** @returns to be called when the request is over; undefined: there is no room */
  enter(bytes: number): (() => void) | undefined {
    if (this.requests >= REQUESTS_MAX || this.bytes + bytes > BYTES_MAX) return undefined;
    this.requests++;
    this.bytes += bytes;
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      this.requests--;
      this.bytes -= bytes;
    };
  }
}
