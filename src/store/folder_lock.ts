// One worker per data directory. Boundary: files in it, and this machine's process table.
// FL1: the lock is the file `visage.lock.<n>` with the greatest n. It is taken by making n + 1, which only one process can; numbers
//      never go back: a released lock stays, without an owner. So a slow process can't take over what was taken over already.
// FL2: an owner counts while its process lives: same pid, same start time, same boot. A kill -9, a reboot or a new container that
//      gives out the same pid leaves a lock that is taken over.
// FL3: two containers that share a volume but not a process table are not told apart; the fence of the change stream is what keeps
//      them from doing harm.
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorText, VisageError } from '../base/errors.ts';

type Owner = { readonly pid: number; readonly started: string };

const NAME = /^visage\.lock\.(\d{1,15})$/;
const ATTEMPTS_MAX = 100;
const held = new Set<string>();

/** Takes the data directory for this process. @returns gives it back
 *  @throws VisageError `folder_in_use` (usage), `folder_unusable` */
export function lockFolder(dataDirectory: string): () => void {
  try {
    mkdirSync(dataDirectory, { recursive: true });
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const release = tryLock(dataDirectory);
      if (release !== undefined) return release;
    }
  } catch (thrown) {
    if (thrown instanceof VisageError) throw thrown;
    throw new VisageError('folder_unusable', `the data directory ${dataDirectory} cannot be used: ${errorText(thrown)}`, {
      cause: thrown,
    });
  }
  throw new VisageError('folder_in_use', `other processes keep taking the data directory ${dataDirectory}; stop them`, {
    kind: 'usage',
  });
}

/** Undefined when another process was faster, and everything must be looked at anew. */
function tryLock(directory: string): (() => void) | undefined {
  const numbers = lockNumbers(directory);
  const newest = Math.max(0, ...numbers);
  if (newest > 0) {
    const owner = readOwner(pathOf(directory, newest));
    if (owner !== undefined && isAlive(owner, held.has(pathOf(directory, newest)))) {
      throw new VisageError(
        'folder_in_use',
        `the data directory ${directory} is in use by process ${owner.pid}; stop it, or choose another directory`,
        { kind: 'usage' },
      );
    }
  }
  const mine = pathOf(directory, newest + 1);
  if (!create(directory, mine, { pid: process.pid, started: startOf(process.pid) ?? '' })) return undefined;
  for (const number of numbers) rmSync(pathOf(directory, number), { force: true });
  held.add(mine);
  return () => {
    if (!held.delete(mine)) return;
    const temporary = join(directory, `visage.unlock.${process.pid}`);
    writeFileSync(temporary, '');
    renameSync(temporary, mine);
  };
}

function create(directory: string, path: string, owner: Owner): boolean {
  const temporary = join(directory, `visage.locking.${process.pid}`);
  writeFileSync(temporary, JSON.stringify(owner));
  try {
    linkSync(temporary, path); // whole or not at all, and never over another's
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function lockNumbers(directory: string): number[] {
  return readdirSync(directory).flatMap((name) => {
    const m = NAME.exec(name);
    return m === null ? [] : [Number(m[1])];
  });
}

function pathOf(directory: string, number: number): string {
  return join(directory, `visage.lock.${number}`);
}

/** Undefined when it was released, is gone, or was lost in a power failure. */
function readOwner(path: string): Owner | undefined {
  try {
    const owner = JSON.parse(readFileSync(path, 'utf8')) as Owner;
    return Number.isSafeInteger(owner.pid) && owner.pid > 0 ? owner : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(owner: Owner, heldHere: boolean): boolean {
  if (owner.pid === process.pid) return heldHere || (owner.started !== '' && owner.started === startOf(process.pid));
  const started = startOf(owner.pid);
  if (started !== undefined) return owner.started === '' || started === owner.started;
  return process.platform !== 'linux' && answers(owner.pid);
}

/** What tells a process from others that had the same pid; undefined when there is none, or no process table to read. */
function startOf(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, ...rest] = fields.slice(fields.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined; // killed, only not yet buried
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}/${rest[18]}`;
  } catch {
    return undefined;
  }
}

function answers(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
