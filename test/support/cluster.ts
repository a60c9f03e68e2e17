// Three real nats-servers that form one cluster with JetStream, for tests that kill them and move their leaders.
// CL1: a server that comes back has the name, the ports and the store that it had: to the others it is the same one.
// CL2: everything it started it stops; everything it wrote is in one folder, which it removes; the servers die with this process.
import { jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServerBinary } from '../../src/server/find_server.ts';
import { startServer, type RunningServer } from '../../src/server/start_server.ts';
import { openConnection, PLAIN, type Connection } from '../../src/nats/connection.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free_port.ts';

const SERVERS = 3;
/** Elections take a few seconds, on a busy machine several of them one after the other. */
const STATE_MS_MAX = 30_000;
/** What was on its way to a leader that stepped down is not answered: it is asked again. */
const ANSWER_MS_MAX = 400;
/** A leader that was asked to step down names its successor within milliseconds, or is elected again. */
const SUCCESSOR_MS_MAX = 3_000;

export interface Cluster {
  /** In the order of their numbers, 0 to 2; they stay the same. */
  readonly urls: readonly string[];
  /** Resolves when the process is gone. For signals that end it. */
  kill(n: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Starts one that is gone; resolves when it takes connections. The others may not have met it yet: see `current`. */
  restart(n: number): Promise<void>;
  /** The server that leads a stream; waits until one does. */
  leaderOf(stream: string): Promise<number>;
  /** The stream's leader steps down; resolves when another one leads, or the one that is wanted. @returns that one */
  stepDown(stream: string, to?: number): Promise<number>;
  /** The server that a client with this name is connected to; undefined: to none that runs. */
  serverOf(connectionName: string): Promise<number | undefined>;
  /** Resolves when the cluster has a leader, all servers run, and every replica of every stream has what its leader has. */
  current(): Promise<void>;
  /** The last lines that each server logged, for a test that failed. */
  recentLogs(): string;
  stop(): Promise<void>;
}

type Member = { server: RunningServer; monitorPort: number; running: boolean };

/** Three servers that take connections. They may still be electing a leader: what needs one waits for `current`, or is what is tested. */
export async function startCluster(): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'visage-cluster-'));
  const { path: binary } = await findServerBinary(); // once, before any of them waits for the others
  const routePorts = await Promise.all(Array.from({ length: SERVERS }, freePort));
  const start = async (n: number, port?: number): Promise<Member> => {
    let monitorPort = 0;
    const server = await startServer({
      storeDirectory: join(folder, `server-${n}`),
      port,
      binary,
      config: { serverName: nameOf(n), syncInterval: '1m', extra: clusterConfig(n, routePorts) }, // no power cuts here
      log: (line) => (monitorPort ||= Number(/Starting http monitor on \S+:(\d+)$/.exec(line)?.[1] ?? 0)),
    });
    const member: Member = { server, monitorPort, running: true };
    void server.exited.then(() => (member.running = false));
    return member;
  };
  const starting = await Promise.allSettled(Array.from({ length: SERVERS }, (_, n) => start(n)));
  const members = starting.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = starting.find((one) => one.status === 'rejected');
  let nc: Connection | undefined;
  const stop = async (): Promise<void> => {
    await nc?.close();
    await Promise.all(members.map(({ server }) => server.stop()));
    await rm(folder, { recursive: true, force: true });
  };
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  const urls = members.map(({ server }) => server.url);
  // opened late: a server that has no JetStream yet is refused
  const connection = async (): Promise<Connection> => (nc ??= await openConnection({ servers: urls, ...PLAIN }, 'test cluster'));
  const infoOf = async (stream: string): Promise<StreamInfo> => {
    const jsm = await jetstreamManager(await connection(), { checkAPI: false, timeout: ANSWER_MS_MAX });
    return jsm.streams.info(stream);
  };
  const leaderOf = async (stream: string): Promise<number> => {
    const leader = await eventually(`${stream} has a leader`, async () => (await infoOf(stream)).cluster?.leader, {
      timeoutMs: STATE_MS_MAX,
    });
    return Number(leader.split('-').at(-1));
  };

  return {
    urls,
    leaderOf,
    async kill(n, signal) {
      members[n]!.server.kill(signal);
      await members[n]!.server.exited;
    },
    async restart(n) {
      members[n] = await start(n, members[n]!.server.port);
    },
    async stepDown(stream, to) {
      const before = await leaderOf(stream);
      if (before === to) return to;
      const request = to === undefined ? '' : JSON.stringify({ placement: { preferred: nameOf(to) } });
      const isDone = (leader: number): boolean => (to === undefined ? leader !== before : leader === to);
      const found = await eventually(
        `${to === undefined ? 'another server' : nameOf(to)} leads ${stream}`,
        async () => {
          await (await connection()).request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, request, { timeout: ANSWER_MS_MAX });
          const successor = async (): Promise<{ leader: number } | undefined> => {
            const leader = await leaderOf(stream);
            return isDone(leader) ? { leader } : undefined;
          };
          return eventually('a successor', successor, { timeoutMs: SUCCESSOR_MS_MAX });
        },
        { timeoutMs: STATE_MS_MAX },
      );
      return found.leader;
    },
    async serverOf(connectionName) {
      for (const [n, { monitorPort, running }] of members.entries()) {
        if (!running) continue;
        const answer = await fetch(`http://127.0.0.1:${monitorPort}/connz`);
        const { connections } = (await answer.json()) as { connections: readonly { name?: string }[] };
        if (connections.some(({ name }) => name === connectionName)) return n;
      }
      return undefined;
    },
    async current() {
      await eventually(
        'a leader, and every replica of every stream is current',
        async () => {
          const jsm = await jetstreamManager(await connection(), { checkAPI: false, timeout: ANSWER_MS_MAX });
          for await (const { cluster, config } of jsm.streams.list()) {
            const replicas = cluster?.replicas ?? [];
            if (cluster?.leader === undefined || replicas.length !== config.num_replicas - 1) return false;
            if (!replicas.every(({ current, offline, lag }) => current && offline !== true && (lag ?? 0) === 0)) return false;
          }
          const answers = await Promise.all(members.map(({ monitorPort }) => fetch(`http://127.0.0.1:${monitorPort}/healthz`)));
          return answers.every(({ status }) => status === 200);
        },
        { timeoutMs: STATE_MS_MAX },
      );
    },
    recentLogs: () => members.map(({ server }, n) => [`${nameOf(n)}:`, ...server.recentLog()].join('\n')).join('\n'),
    stop,
  };
}

function nameOf(n: number): string {
  return `visage-test-${n}`;
}

function clusterConfig(n: number, routePorts: readonly number[]): string {
  const routes = routePorts.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  return [
    `cluster { name: "visage-test", listen: "127.0.0.1:${routePorts[n]}", routes: [${routes}] }`,
    `server_tags: ["member:${n}"]`,
    'http: "127.0.0.1:-1"', // the server takes a free port and says which
  ].join('\n');
}
