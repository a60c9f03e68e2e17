// F7: the server is gone for twenty seconds under load. Producer, worker and ingest keep their memory, say what they wait for, and go on.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { formatTime } from '../../src/base/time.ts';
import { generateEvents } from '../../src/oracle/generate.ts';
import { createProducer } from '../../src/producer/create_producer.ts';
import { ended, start } from '../e2e/program.ts';
import { eventually } from '../support/eventually.ts';
import { verifyAll } from '../support/verify.ts';
import { spawnWorker } from '../support/worker_process.ts';
import { startWorld, type World } from '../support/world.ts';

const AWAY_MS = 20_000;
const LINES = 150_000;
const MB = 1024 ** 2;
const IN_FLIGHT = 500;
const QUEUED = 1_000;

let world: World;
beforeEach(async () => {
  world = await startWorld({ shortWindow: '2s' });
});
afterEach(() => world.stop());

async function residentBytes(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

/** A file that takes ingest longer than the server is there before it goes. */
async function writeLines(): Promise<string> {
  const path = join(world.folder, 'lines.ndjson');
  const timestamp = formatTime(Date.now() - 60_000);
  const line = (i: number): string =>
    `{"timestamp":"${timestamp}","eventType":"commerce.purchases","identityMap":{"customerId":[{"id":"f-${i % 5_000}"}]},"commerce":{"order":{"priceTotal":${(i % 90) + 0.25}}}}`;
  await writeFile(path, Array.from({ length: LINES }, (_, i) => line(i)).join('\n'));
  return path;
}

test(
  `the server is away for ${AWAY_MS / 1000} s while a producer sends and a file is ingested`,
  { timeout: 110_000 },
  async () => {
    await world.setup();
    const settings = world.settings();
    const servers = settings.nats.servers[0]!;
    const worker = spawnWorker({
      'nats.servers': servers,
      partitions: 4,
      dataDirectory: settings.dataDirectory,
      'http.port': 0,
      'admin.port': 0,
    });
    await worker.ready;
    const adminPort = (JSON.parse(worker.log.find((line) => line.includes('worker started'))!) as { adminPort: number })
      .adminPort;
    const readiness = async (): Promise<{ status: number; text: string }> => {
      const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
      return { status: answer.status, text: await answer.text() };
    };

    const said: (string | null)[] = [];
    const producer = await createProducer({
      servers,
      maxInFlight: IN_FLIGHT,
      maxQueued: QUEUED,
      onWaiting: (why) => said.push(why),
    });
    let sending = true;
    let sent = 0;
    const outcomes: Promise<unknown>[] = [];
    const loop = (async () => {
      for (const event of generateEvents({
        seed: 5,
        events: 1_000_000,
        profiles: 1_000,
        zipfS: 1,
        startMs: Date.now() - 1_500,
        spanMs: 1_500,
        outOfOrderShare: 0.1,
        maxLateMs: 3_600_000,
        duplicateShare: 0.02,
        invalidShare: 0.01,
      })) {
        if (!sending) return;
        await producer.ready();
        expect(producer.inFlight).toBeLessThanOrEqual(IN_FLIGHT);
        expect(producer.queued).toBeLessThanOrEqual(QUEUED);
        outcomes.push(producer.send(event.dataset, event.body, { identity: event }));
        if (++sent % 50 === 0) await delay(50);
      }
    })();

    const config = join(world.folder, 'away.yaml');
    await writeFile(config, `nats: { servers: ['${servers}'] }\npartitions: 4\n`);
    const ingest = start(['ingest', await writeLines(), '--dataset', 'orders', '--config', config, '--json']);
    const ingested = ended(ingest);
    const client = await world.client();
    await eventually('both are under way', async () => (await client.streamState('log')).lastSequence > 5_000);

    await world.restartServer('kill', async () => {
      await delay(3_000);
      const pids = { worker: worker.pid, ingest: ingest.pid!, test: process.pid };
      const before = await Promise.all(Object.values(pids).map(residentBytes));
      expect(await readiness()).toMatchObject({ status: 503, text: expect.stringContaining('not connected to NATS') as string });
      expect((await fetch(`http://127.0.0.1:${adminPort}/healthz`)).status).toBe(200);
      await delay(AWAY_MS - 3_000);
      const after = await Promise.all(Object.values(pids).map(residentBytes));
      const grown = Object.keys(pids).map((name, i) => [name, Math.round((after[i]! - before[i]!) / MB)] as const);
      console.log(`grown while the server was away, MB: ${JSON.stringify(Object.fromEntries(grown))}`);
      for (const [name, megabytes] of grown) expect(megabytes, name).toBeLessThan(30);
    });

    const result = await ingested;
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(result.stdout)).toMatchObject({ rows: LINES, sent: LINES, refused: 0 });
    expect(result.stderr).toMatch(/waiting/i);
    sending = false;
    await loop;
    await producer.close();
    await Promise.all(outcomes); // none failed
    expect(said.filter((why) => why !== null).length).toBeGreaterThan(0);
    expect(said.at(-1)).toBe(null);
    expect(worker.log.some((line) => line.includes('connection to NATS lost'))).toBe(true);
    expect(worker.log.some((line) => line.includes('connection to NATS is back'))).toBe(true);
    await eventually('the worker is ready again', async () => (await readiness()).status === 200);
    const verdict = await verifyAll(client, 2_600);
    console.log(JSON.stringify({ ...verdict, problems: verdict.problems.length, sent }));
    expect(verdict.problems.slice(0, 10)).toEqual([]);
    expect(verdict.events + verdict.duplicates + verdict.refused).toBe(LINES + sent);
    await worker.kill('SIGTERM');
  },
);
