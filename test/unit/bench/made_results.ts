// Results as the benches write them, with made figures.
import type { Goal } from '../../../bench/figures.ts';
import type { Rate, Results } from '../../../bench/result_files.ts';

const head = { commit: 'abc1234', node: 'v24.0.0', server: '2.15.1', syncInterval: '2m', cpu: '2 × made' };
const goal = (min: number, median: number, max: number): Goal => ({ min, median, max, rounds: 5 });
const arm = (median: number): Rate => ({ eventsPerSecond: { median, min: median * 0.9, max: median * 1.1 } });
const MB = 1024 ** 2;

export const RESULTS: Results = {
  throughput: {
    ...head,
    size: { events: 1_000_000, profiles: 100_000, many: 1_000_000, few: 10_000 },
    arms: { drain: arm(230_000), parse: arm(190_000), echo: arm(125_000), memory: arm(68_000), worker: arm(52_000) },
    goals: { G1: goal(0.4, 0.5, 0.6), G2: goal(0.3, 0.4, 0.5), G3: goal(0.7, 0.75, 0.8) },
  },
  windows: {
    ...head,
    size: { windows: [100, 1_000, 10_000, 100_000], naive: 1_000 },
    arms: Object.fromEntries(
      [100, 1_000, 10_000, 100_000].flatMap((values) => [
        [`fold ${values}`, arm(200_000)],
        [`part ${values}`, arm(900_000)],
      ]),
    ),
    goals: {
      G4: goal(0.9, 1, 1.1),
      G4part: goal(0.9, 1, 1.2),
      G5: goal(1.7, 1.8, 1.9),
      G6: goal(0.8, 0.9, 1),
      G7: goal(19, 20, 21),
      G7float: goal(2, 3, 4),
    },
  },
  expiry: {
    ...head,
    size: { tickMs: 100 },
    arms: {
      quiet: { rounds: [50, 51, 52].map((p50Ms) => ({ p50Ms, p99Ms: 2 * p50Ms })) },
      busy: { rounds: [10, 51, 12].map((p50Ms) => ({ p50Ms, p99Ms: 5 * p50Ms })) },
    },
    goals: { G8: goal(0.9, 1, 1.1), G8busy: goal(0.5, 0.6, 2.5) },
  },
  idle: { ...head, size: { profiles: 1_000_000 }, goals: { G9: goal(0.4, 0.5, 0.6), G9more: goal(-0.1, 0, 0.1) } },
  hot: { ...head, goals: { G10: goal(0.7, 0.79, 0.9) } },
  latency: {
    ...head,
    arms: {
      search: { sustainable: 12_000 },
      latency: {
        p50Ms: goal(7, 8, 9),
        rounds: [7, 8, 9].map((p50Ms) => ({ rate: 6_000, p50Ms, p99Ms: p50Ms * 3, p999Ms: p50Ms * 6, maxMs: p50Ms * 20 })),
      },
    },
    goals: { G12: goal(6, 6, 6) },
  },
  disk: { ...head, goals: { G15: goal(1.4, 1.5, 1.6), G15second: goal(2, 2.1, 2.2) } },
  memory: {
    ...head,
    size: { profiles: 300_000 },
    arms: {
      base: { rss: 150 * MB, anonymous: 90 * MB, file: 60 * MB, second: 0 },
      budget: 64 * MB,
      slopes: { rss: { mbPerMinute: 1, percentPerMinute: 0.5 }, anonymous: { mbPerMinute: 0, percentPerMinute: 0 } },
      soak: Array.from({ length: 60 }, (_, second) => {
        const anonymous = (120 + 30 * Math.min(1, second / 20)) * MB;
        const file = (60 + second) * MB;
        return { rss: anonymous + file, anonymous, file, second };
      }),
    },
    goals: { G16: goal(1, 1.1, 1.2), G16anonymous: goal(0.9, 0.95, 1) },
  },
  ring_bytes: {
    ...head,
    size: { usual: { values: 5_000 }, long: { values: 100_000 } },
    goals: { G17: goal(0.5, 0.5, 0.5), G17long: goal(1, 1.1, 1.1) },
  },
  replay: { ...head, goals: { G18: goal(1.5, 1.6, 1.7) } },
  herd: {
    ...head,
    size: { profiles: 1_000_000 },
    arms: {
      before: { p99Ms: 8 },
      during: { p99Ms: 110 },
      blocks: { longestMs: 77.4 },
      tookMs: 19_400,
      left: Array.from({ length: 196 }, (_, i) => ({ afterMs: i * 100, values: Math.min(1_000_000, i * 5_200) })),
    },
    goals: { F11block: goal(77, 77, 77), F11read: goal(110, 110, 110), F11seconds: goal(19, 19, 19) },
  },
  schemas: { ...head, size: { events: 300_000 }, goals: { checked: goal(1.05, 1.08, 1.1), checkAlone: goal(1.1, 1.16, 1.2) } },
  dataset_delete: {
    ...head,
    size: { profiles: 100_000, rate: 3_000 },
    arms: {
      deleting: {
        sweepMs: goal(3_900, 4_000, 4_100),
        beforeP99Ms: goal(9, 10, 11),
        duringP99Ms: goal(18, 19, 21),
        duringMaxMs: goal(30, 40, 50),
      },
    },
    goals: { deleting: goal(1.8, 1.9, 2.1) },
  },
  http: {
    ...head,
    bytes: 1_234,
    arms: {
      worker: { requestsPerSecond: goal(9_000, 10_000, 11_000) },
      echo: { requestsPerSecond: goal(18_000, 20_000, 22_000) },
    },
    goals: { G20: goal(0.45, 0.5, 0.55) },
  },
  readers: {
    ...head,
    arms: {
      search: { sustainable: 12_000 },
      readers: { rounds: [{ lagGrowth: 0.001 }, { lagGrowth: 0.02 }] },
      badTokens: { rounds: [{ lagGrowth: 0 }] },
    },
    goals: { readersP99: goal(0.4, 0.45, 0.6), badTokensP99: goal(0.7, 0.8, 0.9) },
  },
  restart: {
    ...head,
    size: { few: 10_000, many: 1_000_000 },
    arms: { few: { ms: goal(900, 1_000, 1_100) }, many: { ms: goal(1_000, 1_200, 1_300) } },
    goals: { G11: goal(1.1, 1.2, 1.3) },
  },
  snapshot: {
    ...head,
    size: { profiles: 100_000, rate: 2_000 },
    arms: {},
    goals: { G13: goal(1, 1.1, 1.2), G13checkpoints: goal(1, 1, 1.1) },
  },
  workers: { ...head, goals: { G19: goal(0.8, 0.9, 1) } },
  rolling: {
    ...head,
    size: { rate: 1_000 },
    arms: {
      outcomes: [10_000, 500_000].map((profiles) => ({
        profiles,
        longestGapMs: 400,
        failedReads: 0,
        answeredReads: 5_000,
        restartMs: [2_000, 2_100, 2_200],
        p99Ms: 50,
        events: 9_000,
      })),
    },
    goals: {},
  },
};
