import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { fillLog, startWorld } from './world.ts';
const world = await startWorld('zz', '2m');
const DAY = 86400000;
await fillLog(world, 'zz', [{ seed: 7, events: 300000, profiles: 100000, startMs: Date.now() - 10 * DAY, spanMs: 9 * DAY, zipfS: 1, outOfOrderShare: 0.1, maxLateMs: 2 * DAY, duplicateShare: 0.02, invalidShare: 0.01 }]);
for (let round = 0; round < 3; round++) for (const [name, flags] of [['base', []], ['semi64', ['--max-semi-space-size=64']]] as const) for (const arm of (process.argv[2] ?? 'echo,memory,worker').split(',')) {
  const out = execFileSync(process.execPath, [...flags, 'bench/arm_child.ts', arm, JSON.stringify({ url: world.server.url, root: 'zz', out: `o${name}${arm}${round}`, folder: join(world.folder, 's') })], { encoding: 'utf8' });
  const r = JSON.parse(out.split('\n').find((l) => l.startsWith('{'))!);
  console.log(round, name, arm, Math.round(r.events / r.seconds), 'ev/s', (r.cpuSeconds / r.events * 1e6).toFixed(1), 'us', Math.round(r.rssBytes / 1e6), 'apply', r.applySeconds?.toFixed(2), 'total', r.seconds.toFixed(2), 'load', loadavg()[0]!.toFixed(1));
}
await world.stop();
