// `npm run bench -- profile`: where an event's time goes: one run of the worker and the memory arm under the CPU profiler, self time by function and by room.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateEvents } from '../src/oracle/generate.ts';
import { fillLog, runArm, startWorld } from './world.ts';

type CpuProfile = {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

const DAY_MS = 86_400_000;

export async function runProfile(smoke: boolean): Promise<void> {
  const events = smoke ? 3_000 : 1_000_000;
  const world = await startWorld('profile', '2m');
  try {
    const usual = { zipfS: 1, outOfOrderShare: 0.1, maxLateMs: 2 * DAY_MS, duplicateShare: 0.02, invalidShare: 0.01 };
    await fillLog(
      world,
      'profiled',
      generateEvents({
        seed: 7,
        events,
        profiles: smoke ? 500 : 100_000,
        startMs: Date.now() - 10 * DAY_MS,
        spanMs: 9 * DAY_MS,
        ...usual,
      }),
    );
    for (const arm of ['memory', 'worker']) {
      const folder = mkdtempSync(join(tmpdir(), 'visage-profile-'));
      const result = await runArm(
        arm,
        { url: world.server.url, root: 'profiled', out: `out-${arm}`, folder: join(world.folder, 'state') },
        folder,
      );
      console.log(
        `\n${arm}: ${Math.round(result.events / result.seconds)} events/s, ${((result.cpuSeconds / result.events) * 1e6).toFixed(1)} µs CPU/event`,
      );
      report(JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8')) as CpuProfile, result.events);
      if (process.env['KEEP_PROFILE'] === undefined) rmSync(folder, { recursive: true });
      else console.log(folder);
    }
  } finally {
    await world.stop();
  }
}

function report(profile: CpuProfile, events: number): void {
  const self = new Map<number, number>();
  profile.samples.forEach((node, i) => self.set(node, (self.get(node) ?? 0) + profile.timeDeltas[i]!));
  const functions = new Map<string, number>();
  const rooms = new Map<string, number>();
  for (const node of profile.nodes) {
    const us = self.get(node.id) ?? 0;
    const { functionName, url, lineNumber } = node.callFrame;
    if (functionName === '(idle)' || functionName === '(program)') continue;
    const place =
      /\/(src\/\w+|node_modules\/(?:@[\w-]+\/)?[\w-]+)\//.exec(url)?.[1] ??
      (functionName === '(garbage collector)' ? 'garbage collector' : 'node');
    rooms.set(place, (rooms.get(place) ?? 0) + us);
    const name = `${functionName || '(anonymous)'} ${url.split('/').pop()}:${lineNumber + 1}`;
    functions.set(name, (functions.get(name) ?? 0) + us);
  }
  const top = (map: Map<string, number>, n: number): void => {
    for (const [name, us] of [...map].sort((a, b) => b[1] - a[1]).slice(0, n))
      console.log(`  ${(us / events).toFixed(2).padStart(6)} µs  ${name}`);
  };
  top(rooms, 14);
  console.log('  --');
  top(functions, 40);
}
