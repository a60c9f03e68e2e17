// `npm run bench -- <name> [--smoke] [--rounds=N] [--out=FOLDER]`: runs one bench, or all of them, and writes bench/results/<name>.json (not with
// --smoke). `check FOLDER` compares what another run wrote with what is committed.
// The pictures come last: they show what the others wrote.
import { argumentOf } from './arguments.ts';
import { runCheck } from './check.ts';
import { runDatasetDelete } from './dataset_delete.ts';
import { runDisk } from './disk.ts';
import { runExpiry } from './expiry.ts';
import { runFlushed } from './flushed.ts';
import { runHerd } from './herd.ts';
import { runHot } from './hot.ts';
import { runHttp } from './http.ts';
import { runIdle } from './idle.ts';
import { runLatency } from './latency.ts';
import { runMemory } from './memory.ts';
import { runMetrics } from './metrics.ts';
import { runOverview } from './overview.ts';
import { runPlot } from './plot.ts';
import { runProfile } from './profile.ts';
import { runReaders } from './readers.ts';
import { runReplay } from './replay.ts';
import { runRestart } from './restart.ts';
import { runRingBytes } from './ring_bytes.ts';
import { runRolling } from './rolling.ts';
import { runSchemas } from './schemas.ts';
import { runSnapshot } from './snapshot.ts';
import { runThroughput } from './throughput.ts';
import { runWindows } from './windows.ts';
import { runWorkers } from './workers.ts';

const BENCHES: Readonly<Record<string, (smoke: boolean, rounds?: number) => Promise<void>>> = {
  throughput: runThroughput,
  flushed: runFlushed,
  hot: runHot,
  replay: runReplay,
  disk: runDisk,
  latency: runLatency,
  http: runHttp,
  readers: runReaders,
  memory: runMemory,
  windows: runWindows,
  ring_bytes: runRingBytes,
  expiry: runExpiry,
  idle: runIdle,
  herd: runHerd,
  metrics: runMetrics,
  schemas: runSchemas,
  dataset_delete: runDatasetDelete,
  restart: runRestart,
  snapshot: runSnapshot,
  workers: runWorkers,
  rolling: runRolling,
  overview: runOverview,
  profile: runProfile,
  plot: runPlot,
};

const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const smoke = process.argv.includes('--smoke');
const asked = argumentOf('rounds');
const rounds = asked === undefined ? undefined : Number(asked);
if (names[0] === 'check') process.exit(runCheck(names[1], (line) => console.log(line)));
const wanted = names.length === 0 || names[0] === 'all' ? Object.keys(BENCHES) : names;
for (const name of wanted) {
  const bench = BENCHES[name];
  if (bench === undefined) {
    console.error(`there is no bench '${name}'; there are: ${Object.keys(BENCHES).join(', ')}`);
    process.exit(2);
  }
  await bench(smoke, rounds);
}
