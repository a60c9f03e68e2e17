// What one seed decides before anything happens: sizes, settings, and which faults are common, rare or off.
// SW1: swarm testing: each seed turns some faults off and others far up; all of them at once hide each other.
import { seededRandom, type Random } from '../base/random.ts';
import { DEFAULT_FOLD_SETTINGS, type ClockMode, type FoldSettings } from '../message/control.ts';

const H = 3_600_000;
const D = 24 * H;
/** A Saturday, the last of a month: a moment later a day, a week and a month begin at once. */
const EVE = Date.UTC(2026, 1, 28, 23, 59, 59, 900);

/** Shares are of the calls (or messages) that the fault can hit; 0: never. */
export type Faults = {
  /** A call takes up to so long; one in ten takes up to `slowMs`. */
  readonly latencyMs: number;
  readonly slowMs: number;
  /** Whoever looks at the clock has worked for up to so long. */
  readonly busyMs: number;
  readonly appendFails: number;
  readonly sinkRefuses: number;
  /** A commit is stored, and its author is told that it may not be. */
  readonly sinkLosesAnswer: number;
  /** A commit that was given up is stored later, or never. */
  readonly sinkStoresLate: number;
  readonly lettersFail: number;
  /** What a start asks of log and change stream. */
  readonly questionsFail: number;
  readonly readerBreaks: number;
  readonly readerStalls: number;
  readonly commitFails: number;
  readonly readFails: number;
  /** Committed is on the disk so much later. */
  readonly flushMs: number;
  /** A crash takes what was not flushed with it. */
  readonly powerCuts: number;
  /** The process dies after about so many awaits; 0: never. */
  readonly awaitsPerCrash: number;
  /** Share of the crashes that kill nobody: another worker takes over while this one goes on. */
  readonly zombies: number;
  readonly clockStands: number;
  readonly clockGoesBack: number;
};

/** How producers behave; shares are of messages. */
export type Traffic = {
  readonly events: number;
  readonly profiles: number;
  readonly zipfS: number;
  readonly late: number;
  readonly duplicates: number;
  readonly broken: number;
  readonly missing: number;
  readonly wrongType: number;
  /** Timestamps are whole multiples of this: ties. */
  readonly grainMs: number;
  /** Share of the messages that come together with the one before. */
  readonly together: number;
  readonly leaps: number;
  readonly drains: number;
  readonly cuts: number;
  readonly reads: number;
  /** Share of the messages that are records, where the definitions know any. */
  readonly records: number;
  /** Share of the whole records that are too large for a change event. */
  readonly huge: number;
  readonly profileDeletes: number;
  readonly datasetDeletes: number;
  readonly erasures: number;
};

export type Swarm = {
  readonly seed: number;
  readonly clockMode: ClockMode;
  readonly partitions: number;
  readonly shard: number;
  readonly startMs: number;
  /** The worker's clock minus the server's. */
  readonly wallSkewMs: number;
  readonly shuffle: boolean;
  /** Other shards write to the same streams. */
  readonly neighbours: boolean;
  /** What workers are configured with; a new life may have the next of them. */
  readonly settings: readonly FoldSettings[];
  readonly batchMax: number;
  readonly cacheMaxBytes: number;
  readonly tickMs: number;
  readonly commitIntervalMs: number;
  readonly commitRefreshMs: number;
  readonly checkpointIntervalMs: number;
  readonly checkpointMaxDirty: number;
  readonly traffic: Traffic;
  readonly faults: Faults;
};

/** Where a sweep takes more than one message to come to all. */
const MANY = { profiles: 500, messages: 1_000, datasetDeletes: 0.008 };

/** Everything works, and takes a moment. */
export const CALM: Faults = {
  latencyMs: 2,
  slowMs: 0,
  busyMs: 0,
  appendFails: 0,
  sinkRefuses: 0,
  sinkLosesAnswer: 0,
  sinkStoresLate: 0,
  lettersFail: 0,
  questionsFail: 0,
  readerBreaks: 0,
  readerStalls: 0,
  commitFails: 0,
  readFails: 0,
  flushMs: 20,
  powerCuts: 0,
  awaitsPerCrash: 0,
  zombies: 0,
  clockStands: 0,
  clockGoesBack: 0,
};

export function oneOf<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)]!;
}

/** Off in two of five seeds, rare in two, far up in one. */
function turned(random: Random, rare: number, often: number): number {
  return [0, 0, rare, rare, often][random.below(5)]!;
}

/** A whole number of [min, max], small ones as likely as large ones. */
function anySize(random: Random, min: number, max: number): number {
  return Math.floor(min * (max / min) ** random.next());
}

/** @param events how many, instead of what the seed says */
export function swarmOf(seed: number, events?: number): Swarm {
  const random = seededRandom(seed);
  const partitions = oneOf(random, [1, 1, 3]);
  const settings = settingsOf(random);
  return {
    seed,
    clockMode: random.next() < 0.25 ? 'event' : 'log',
    partitions,
    shard: random.below(partitions),
    startMs: random.next() < 0.5 ? EVE : Date.UTC(2026, random.below(12), 1 + random.below(28), random.below(24)),
    wallSkewMs: oneOf(random, [0, 0, -200_000, 200_000]),
    shuffle: random.next() < 0.8,
    neighbours: random.next() < 0.5,
    settings: random.next() < 0.3 ? [settings, settingsOf(random)] : [settings],
    batchMax: oneOf(random, [1, 7, 64, 256]),
    cacheMaxBytes: oneOf(random, [0, 2_000, 10_000, 64 * 1024 ** 2]),
    tickMs: oneOf(random, [1, 20, 100, 1000]),
    commitIntervalMs: oneOf(random, [0, 5, 10, 100]),
    commitRefreshMs: oneOf(random, [500, 600_000, Infinity]),
    checkpointIntervalMs: oneOf(random, [20, 100, 500, 2000]),
    checkpointMaxDirty: oneOf(random, [1, 5, 50, 5000]),
    traffic: trafficOf(random, events),
    faults: faultsOf(random),
  };
}

function settingsOf(random: Random): FoldSettings {
  return {
    ...DEFAULT_FOLD_SETTINGS,
    dedupeHorizonMs: oneOf(random, [0, 1, 10, H, 7 * D, 7 * D]),
    dedupeIds: oneOf(random, [0, 1, 2, 5, 10_000, 10_000]),
    // a release without it must not find it in its log
    ...('exactEvents' in DEFAULT_FOLD_SETTINGS ? { exactEvents: oneOf(random, [8, 64, 5_000, 5_000]) } : {}),
    recordBytes: oneOf(random, [300, 10_000, 102_400]),
  };
}

function trafficOf(random: Random, events: number | undefined): Traffic {
  const size = anySize(random, 20, 600);
  const isMany = random.next() < 0.05;
  return {
    events: events ?? (isMany ? MANY.messages : size),
    profiles: isMany ? MANY.profiles : anySize(random, 1, 60),
    zipfS: isMany ? 0 : oneOf(random, [0, 1]),
    late: turned(random, 0.2, 0.9),
    duplicates: turned(random, 0.05, 0.5),
    broken: turned(random, 0.03, 0.4),
    missing: oneOf(random, [0, 0.1, 0.5]),
    wrongType: turned(random, 0.005, 0.1),
    grainMs: oneOf(random, [1, 1, 10, 1000]),
    together: oneOf(random, [0, 0.5, 0.9]),
    leaps: turned(random, 0.005, 0.05),
    drains: turned(random, 0.002, 0.02),
    cuts: turned(random, 0.01, 0.05),
    reads: oneOf(random, [0.05, 0.2]),
    records: oneOf(random, [0, 0.2, 0.5, 0.5, 0.95]),
    huge: oneOf(random, [0, 0, 0, 0.15]),
    profileDeletes: turned(random, 0.01, 0.1),
    datasetDeletes: isMany ? MANY.datasetDeletes : turned(random, 0.005, 0.04),
    erasures: turned(random, 0.005, 0.04),
  };
}

function faultsOf(random: Random): Faults {
  return {
    latencyMs: oneOf(random, [0, 2, 2, 20]),
    slowMs: turned(random, 50, 1500),
    busyMs: turned(random, 0.1, 2),
    appendFails: turned(random, 0.05, 0.5),
    sinkRefuses: turned(random, 0.02, 0.3),
    sinkLosesAnswer: turned(random, 0.02, 0.3),
    sinkStoresLate: turned(random, 0.02, 0.2),
    lettersFail: turned(random, 0.05, 0.5),
    questionsFail: turned(random, 0.02, 0.1),
    readerBreaks: turned(random, 0.002, 0.02),
    readerStalls: turned(random, 0.02, 0.2),
    commitFails: turned(random, 0.02, 0.2),
    readFails: turned(random, 0.0005, 0.005),
    flushMs: oneOf(random, [0, 50, 1000, 20_000]),
    powerCuts: oneOf(random, [0, 0.5, 1]),
    awaitsPerCrash: oneOf(random, [0, 400, 100, 40, 20]),
    zombies: turned(random, 0.1, 0.6),
    clockStands: turned(random, 0.01, 0.1),
    clockGoesBack: turned(random, 0.01, 0.1),
  };
}
