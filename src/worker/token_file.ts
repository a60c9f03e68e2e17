// The tokens of `http.tokensFile`, as the file has them now.
// TF1: a file that was changed counts within seconds: what was taken out is refused from then on. TF2: one that cannot be used changes
//      nothing: the tokens of before hold, the log says why, once, and a metric counts it. TF3: looking a token up takes as long, whichever it is.
import { hash, timingSafeEqual } from 'node:crypto';
import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorText } from '../base/errors.ts';
import { loadTokens, type TokenEntry } from '../definitions/load_tokens.ts';
import { MistakesError } from '../definitions/mistakes.ts';
import type { Grant, TokenBook } from '../ports/access.ts';

const LOOK_MS = 1_000;
const UNREAD = 'unread';

type Known = { readonly digest: Buffer; readonly grant: Grant };

export type TokenFileLog = (level: 'info' | 'warn', event: string, figures: Readonly<Record<string, unknown>>) => void;

export class TokenFile implements TokenBook {
  private readonly path: string;
  private readonly log: TokenFileLog;
  private readonly onFailure: () => void;
  private readonly timer: NodeJS.Timeout;
  private readonly watcher: FSWatcher | undefined;
  private known: readonly Known[];
  /** How the file looked when it was last read; '' before, and where there was none. */
  private seen = '';
  private looking = false;
  /** Why it could not be used last, '' when it could. */
  private said = '';

  /** @param onFailure hears of each change of the file that cannot be used
   *  @throws MistakesError `bad_tokens` · VisageError `bad_tokens`: it cannot be read */
  constructor(path: string, log: TokenFileLog, onFailure: () => void) {
    this.path = path;
    this.log = log;
    this.onFailure = onFailure;
    this.known = loadTokens(path).map(knownOf);
    this.timer = setInterval(() => void this.look(), LOOK_MS);
    this.watcher = this.watched();
    void this.look();
  }

  grantOf(token: string): Grant | undefined {
    const digest = hash('sha256', token, 'buffer');
    let found: Grant | undefined;
    // every one of them is looked at
    for (const { digest: other, grant } of this.known) if (timingSafeEqual(digest, other)) found = grant;
    return found;
  }

  close(): void {
    clearInterval(this.timer);
    this.watcher?.close();
  }

  /** The folder, not the file: editors and orchestrators put another file in its place. A file system that tells nothing is polled. */
  private watched(): FSWatcher | undefined {
    try {
      const watcher = watch(dirname(this.path), { persistent: false }, () => void this.look());
      watcher.on('error', () => watcher.close());
      return watcher;
    } catch {
      return undefined;
    }
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const looks = await looksOf(this.path);
      if (looks === this.seen) return;
      const isFirst = this.seen === '';
      this.seen = looks;
      const before = this.known.length;
      this.known = loadTokens(this.path).map(knownOf);
      this.said = '';
      if (!isFirst) this.log('info', 'the tokens were read again', { tokens: this.known.length, before });
    } catch (error) {
      // what is wrong is not in the file: it is read again at the next look
      if (!(error instanceof MistakesError) && this.seen.includes(' ')) this.seen = UNREAD;
      const reason = errorText(error);
      if (this.seen === UNREAD && this.said === reason) return;
      this.said = reason;
      this.onFailure();
      const event = 'the file of tokens cannot be used: those of before hold, what was taken out of it too; correct it';
      this.log('warn', event, { file: this.path, reason });
    } finally {
      this.looking = false;
    }
  }
}

/** Unlike another as soon as something about the file is. A file that is gone looks like one, too. */
async function looksOf(path: string): Promise<string> {
  try {
    const { mtimeNs, ctimeNs, size, ino } = await stat(path, { bigint: true });
    return `${mtimeNs} ${ctimeNs} ${size} ${ino}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}

function knownOf({ name, sha256, scopes, datasets }: TokenEntry): Known {
  const grant = { name, scopes: new Set(scopes), datasets: datasets === undefined ? null : new Set(datasets) };
  return { digest: Buffer.from(sha256, 'hex'), grant };
}
