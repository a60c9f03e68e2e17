// A message as the log holds it, before anything is believed about it.
import type { EpochMs } from '../base/time.ts';

/** `stampMs` is the time the server stored it; `headers` is parsed on demand (reading headers costs more than the fold). */
export type LogMessage = {
  readonly sequence: number;
  readonly stampMs: EpochMs;
  readonly subject: string;
  readonly body: Uint8Array;
  /** The body as text, where a faster way than decoding it here is at hand; undefined when it is not valid UTF-8, or that is not sure. */
  readonly text?: () => string | undefined;
  readonly headers: (() => Readonly<Record<string, string>>) | null;
  /** How many bytes they have as they came; never too few; undefined when that is not known without reading them. */
  readonly headerBytes?: number;
};
