// What the demo claims about its events, worked out from what the worker shows: never from what was sent alone.
import type { Client } from '../worker/client.ts';
import type { Feed } from './demo_feed.ts';
import { verifyRoot, type VerifyReport } from './verify_root.ts';

/** The attribute of config/demo.definitions.yaml that counts every event. */
const COUNTS_EVERYTHING = 'events';
const POLL_MS = 25;

export type Proof = {
  readonly report: VerifyReport;
  /** Published events that are accounted for: counted in a profile, dropped as known, or refused. */
  readonly applied: number;
  /** Writes to records that were applied. */
  readonly records: number;
  readonly deadLettered: number;
  readonly lost: number;
  readonly repeated: number;
  readonly holds: boolean;
};

/** Waits until every shard has applied what was published to it. @returns why it never will, if so */
export async function untilApplied(client: Client, feed: Feed, timeoutMs: number): Promise<string | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { shards } = await client.status();
    const halted = shards.find((shard) => shard.state === 'halted');
    if (halted !== undefined) return `shard ${halted.shard} is halted: ${halted.reason}`;
    if (shards.every((shard) => Number(shard['applied'] ?? -1) >= (feed.last.get(shard.shard) ?? 0))) return undefined;
    if (performance.now() > deadline) return `not everything was applied within ${timeoutMs / 1000} s`;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Brute force over the whole log, chains of all change events, and every customer's count, and the records, against what was sent. */
export async function prove(client: Client, feed: Feed): Promise<Proof> {
  const counted = new Map<string, number>();
  const report = await verifyRoot(client, {
    onProfile: (view) => counted.set(view.profile.id, Number(view.computed[COUNTS_EVERYTHING]?.value ?? 0)),
  });
  let [lost, repeated, total] = [0, 0, 0];
  for (const id of new Set([...counted.keys(), ...feed.expected.keys()])) {
    const [has, sent] = [counted.get(id) ?? 0, feed.expected.get(id) ?? 0];
    total += has;
    lost += Math.max(0, sent - has);
    repeated += Math.max(0, has - sent);
  }
  const dead = await client.streamState('dead');
  const deadLettered = dead.lastSequence;
  lost += Math.max(0, feed.invalid - deadLettered);
  repeated += Math.max(0, deadLettered - feed.invalid);
  const { records } = report;
  lost += Math.max(0, feed.records - records);
  repeated += Math.max(0, records - feed.records) + Math.max(0, feed.deadRecords - report.dead); // what is deleted must not come back
  const applied = total + report.duplicates + deadLettered;
  const holds = report.verified && report.chains.whole && lost === 0 && repeated === 0 && applied === feed.published;
  return { report, applied, records, deadLettered, lost, repeated, holds };
}
