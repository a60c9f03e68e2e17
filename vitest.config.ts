// One project per test folder; `vitest run --project unit` runs one of them, test/run_all.ts all of them against their wall budgets.
// V1: pool `forks` everywhere: LMDB's native handles do not survive worker threads.
// V2: folders that start servers or processes run beside no other folder. integration runs three files at a time and e2e two: they mostly
//     wait, and each has folders, servers and ports of its own. faults runs two: most of its time it waits for elections, leases and servers that are away.
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

interface Folder {
  readonly timeoutMs: number;
  /** So many files of the folder may run at the same time. */
  readonly atOnce: number;
  /** A fresh process per file; pure folders do without, that is most of their wall time. */
  readonly isolate: boolean;
  /** Starts servers or processes: waits until other folders are done. */
  readonly alone?: true;
}

const FOLDERS: Readonly<Record<string, Folder>> = {
  unit: { timeoutMs: 10_000, atOnce: 2, isolate: false },
  property: { timeoutMs: 60_000, atOnce: 2, isolate: false },
  conformance: { timeoutMs: 30_000, atOnce: 2, isolate: true },
  simulation: { timeoutMs: 150_000, atOnce: 2, isolate: true },
  integration: { timeoutMs: 60_000, atOnce: 3, isolate: true, alone: true },
  faults: { timeoutMs: 120_000, atOnce: 2, isolate: true, alone: true },
  e2e: { timeoutMs: 90_000, atOnce: 2, isolate: true, alone: true },
};

const project = (name: string, folder: Folder): TestProjectInlineConfiguration => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    environment: 'node',
    pool: 'forks',
    maxWorkers: folder.atOnce,
    fileParallelism: folder.atOnce > 1,
    isolate: folder.isolate,
    testTimeout: folder.timeoutMs,
    hookTimeout: Math.max(60_000, folder.timeoutMs),
    // Vitest runs projects of one group together and wants them to agree on their workers; the others wait their turn.
    sequence: { groupOrder: folder.alone !== true ? 0 : Object.keys(FOLDERS).indexOf(name) },
  },
});

export default defineConfig({
  test: {
    teardownTimeout: 20_000,
    projects: Object.entries(FOLDERS).map(([name, folder]) => project(name, folder)),
  },
});
