// An explanation that fits: whoever carries it has a largest message, and values may be long.
// FE1: what decides is left out last; of the rest the oldest goes first. FE2: what fits is returned as it is.
import type { ExplainedEvent, Explanation } from './explanation.ts';

const utf8 = new TextEncoder();
/** `,"truncated":true` */
const TRUNCATED_BYTES = 17;

/** @returns the explanation with as many of its events as `bytesMax` of JSON hold. Cost: O(size) */
export function fitExplanation(explanation: Explanation, bytesMax: number): Explanation {
  const { events } = explanation;
  const sizes = events.map((event) => bytesOf(event) + 1);
  let room = bytesMax - bytesOf({ ...explanation, events: [] }) + 1; // no comma before the first
  if (events.length === 0 || sizes.reduce((sum, size) => sum + size, 0) <= room) return explanation;
  room -= TRUNCATED_BYTES;
  const kept = new Set<ExplainedEvent>();
  for (const deciding of [true, false]) {
    for (let i = 0; i < events.length; i++) {
      if ((events[i]!.decides === true) !== deciding) continue;
      room -= sizes[i]!;
      if (room < 0) break;
      kept.add(events[i]!);
    }
    if (room < 0) break;
  }
  return { ...explanation, events: events.filter((event) => kept.has(event)), truncated: true };
}

function bytesOf(value: unknown): number {
  return utf8.encode(JSON.stringify(value)).length;
}
