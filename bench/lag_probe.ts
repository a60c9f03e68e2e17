// Loaded into a worker's process before its own code (node --import): notes every turn of the event loop that took long.
// Written to the file that BENCH_LAG_FILE names when the process ends: [when it ended by the wall clock, how long] in milliseconds.
import { writeFileSync } from 'node:fs';

export type Block = readonly [endedAtMs: number, ms: number];

const TIMER_MS = 1;
/** Shorter ones are the timer's own. */
const NOTED_MS = 5;

const blocks: Block[] = [];
let lastMs = performance.now();
setInterval(() => {
  const nowMs = performance.now();
  const blockedMs = nowMs - lastMs - TIMER_MS;
  if (blockedMs > NOTED_MS) blocks.push([Date.now(), blockedMs]);
  lastMs = nowMs;
}, TIMER_MS).unref();
process.once('exit', () => writeFileSync(process.env['BENCH_LAG_FILE']!, JSON.stringify(blocks)));
