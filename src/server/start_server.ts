// Starts one nats-server for a demo or a test. Boundary: a child process and its store folder; never a server that others use.
// S1: it listens on loopback only.   S2: everything it writes is inside its store folder.
// S3: it dies with the process that started it, however that one dies (see PARENT_WATCHER).
// S4: the same store and port can be started again once `exited` has settled; two servers never share a store.
import { spawn } from 'node:child_process';
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { errorText, VisageError } from '../base/errors.ts';
import { findServerBinary } from './find_server.ts';
import { waitForFreeStore } from './store_owner.ts';

const LOG_LINES_MAX = 50;
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;

export type ServerConfig = {
  /** Members of one cluster need different ones. Default: `visage-local`. */
  readonly serverName?: string | undefined;
  /** How often the store is flushed to disk: 'always' (default: a power cut loses nothing acknowledged), or e.g. '2m': faster, and a power cut does. */
  readonly syncInterval?: string | undefined;
  /** The largest message in bytes; the server's default is 1 MB. */
  readonly maxPayload?: number | undefined;
  /** Lines of nats-server configuration, appended as they are. Redirecting the log hides that the server is ready. */
  readonly extra?: string | undefined;
};

export type StartOptions = {
  /** Made if missing. Holds the streams, the configuration file and the pid file. */
  readonly storeDirectory: string;
  /** Default: one that is free. Give the old one to restart a server under its old url. */
  readonly port?: number | undefined;
  readonly config?: ServerConfig | undefined;
  /** Path of a nats-server; default: what `findServerBinary` finds. */
  readonly binary?: string | undefined;
  /** Receives every line the server logs. */
  readonly log?: ((line: string) => void) | undefined;
};

export type ServerExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export interface RunningServer {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  /** The server's own, not a wrapper's. */
  readonly pid: number;
  readonly version: string;
  readonly storeDirectory: string;
  /** Settles when the process is gone, for whatever reason; never rejects. */
  readonly exited: Promise<ServerExit>;
  /** Sends a signal, e.g. SIGKILL or SIGSTOP; false if the server is gone. */
  kill(signal: NodeJS.Signals): boolean;
  /** Ends the server gracefully, by force after 5 s. Settles when it is gone; may be called again. */
  stop(): Promise<void>;
  /** The last 50 lines it logged, oldest first. */
  recentLog(): string[];
}

/** A shell that leaves a watcher behind and then becomes the server: pid, signals and exit status are the server's own, and there is no
 *  moment at which the server runs unwatched. The watcher reads a pipe whose other end only the starting process holds: the kernel closes
 *  it even after kill -9. A word on the pipe says that the server is already gone, so that a reused pid is never signalled.
 *  PR_SET_PDEATHSIG would need no watcher, but it is Linux only and fires when the starting *thread* ends. */
const PARENT_WATCHER = `exec 2>&1
( read -r word <&3 && exit 0
  kill -TERM $$
  kill -CONT $$
  tries=0
  while kill -0 $$; do
    [ $tries -lt ${STOP_TIMEOUT_MS / 100} ] || { kill -KILL $$; exit 0; }
    sleep 0.1
    tries=$((tries + 1))
  done ) </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-`;

/** Starts a server and waits until it takes connections.
 *  @throws VisageError `server_failed` (one line; the last log lines are its cause) · `server_store_busy` · `no_server`. Cost: about 50 ms */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const binary = options.binary ?? (await findServerBinary({ log: options.log })).path;
  await mkdir(options.storeDirectory, { recursive: true });
  const storeDirectory = await realpath(options.storeDirectory); // one spelling, so that a second start recognises the first
  const configFile = join(storeDirectory, 'server.conf');
  const pidFile = join(storeDirectory, 'server.pid');
  await waitForFreeStore(pidFile, configFile);
  await writeFile(configFile, renderConfig({ storeDirectory, pidFile, port: options.port, config: options.config }));
  return launch({ binary, configFile, storeDirectory, log: options.log });
}

type Launch = { binary: string; configFile: string; storeDirectory: string; log: StartOptions['log'] };

async function launch({ binary, configFile, storeDirectory, log }: Launch): Promise<RunningServer> {
  const child = spawn('/bin/sh', ['-c', PARENT_WATCHER, 'nats-server', binary, '-c', configFile], {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
    detached: true, // a session of its own: Ctrl-C reaches the starting process, which then stops things in order
  });
  const output = child.stdout as Readable;
  const lifeline = child.stdio[3] as Writable;
  lifeline.on('error', () => undefined); // EPIPE: the watcher is gone already, there is nobody left to tell
  const recent: string[] = [];
  let gone = false;
  const exited = new Promise<ServerExit>((resolve) => {
    child.once('exit', (code, signal) => {
      gone = true;
      lifeline.end('gone\n');
      resolve({ code, signal });
    });
    child.once('error', () => resolve({ code: null, signal: null })); // could not be spawned at all; `ready` says why
  });
  const ready = whenReady(child, output, (line) => {
    recent.push(line);
    if (recent.length > LOG_LINES_MAX) recent.shift();
    log?.(line);
  });
  let stopping: Promise<void> | undefined;
  const kill = (signal: NodeJS.Signals): boolean => !gone && child.kill(signal);
  try {
    const { port, version } = await ready;
    return {
      url: `nats://127.0.0.1:${port}`,
      port,
      pid: child.pid!,
      version,
      storeDirectory,
      exited,
      kill,
      stop: () => (stopping ??= stopGracefully(kill, exited)),
      recentLog: () => [...recent],
    };
  } catch (error) {
    kill('SIGKILL');
    await exited;
    const last =
      recent.findLast((line) => /\[(FTL|ERR)\]/.test(line)) ??
      recent.findLast((line) => line.trim() !== '') ??
      'it logged nothing';
    const said = last.replace(/^.*\[[A-Z]{3}\] /, ''); // without pid and time
    throw new VisageError('server_failed', `nats-server did not start: ${errorText(error)}: ${said}`, {
      cause: new Error(recent.join('\n'), { cause: error }),
    });
  }
}

/** Reads the log until the server says it is ready; goes on handing lines to `keep` until the process ends. */
function whenReady(
  child: ReturnType<typeof spawn>,
  output: Readable,
  keep: (line: string) => void,
): Promise<{ port: number; version: string }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after ${READY_TIMEOUT_MS} ms`)), READY_TIMEOUT_MS);
    let port = 0;
    let version = '';
    createInterface({ input: output }).on('line', (line) => {
      keep(line);
      version ||= /\[INF\]\s+Version:\s+(\S+)/.exec(line)?.[1] ?? '';
      port ||= Number(/Listening for client connections on \S+:(\d+)\s*$/.exec(line)?.[1] ?? 0);
      if (port !== 0 && /\[INF\] Server is ready\s*$/.test(line)) {
        clearTimeout(timer);
        resolve({ port, version });
      }
    });
    // 'close', not 'exit': only then has the last line, which says why, been read
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`exited with ${signal ?? code}`));
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

async function stopGracefully(kill: RunningServer['kill'], exited: Promise<ServerExit>): Promise<void> {
  kill('SIGTERM');
  kill('SIGCONT'); // a paused server would not see the first
  const timer = setTimeout(() => kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

type ConfigInput = { storeDirectory: string; pidFile: string; port: number | undefined; config: ServerConfig | undefined };

function renderConfig({ storeDirectory, pidFile, port, config = {} }: ConfigInput): string {
  const quote = (text: string): string => JSON.stringify(text); // nats-server reads the same escapes, and expands no variable in quotes
  const lines = [
    `server_name: ${quote(config.serverName ?? 'visage-local')}`,
    `listen: "127.0.0.1:${port ?? -1}"`, // -1: the server takes a free port and says which, so that nobody can take it in between
    `pid_file: ${quote(pidFile)}`,
    `jetstream { store_dir: ${quote(storeDirectory)}, sync_interval: ${quote(config.syncInterval ?? 'always')} }`,
  ];
  if (config.maxPayload !== undefined) lines.push(`max_payload: ${config.maxPayload}`);
  if (config.extra !== undefined) lines.push(config.extra);
  return `${lines.join('\n')}\n`;
}
