// What a process takes of memory, as Linux says it, sampled every second.
import { existsSync, readFileSync } from 'node:fs';

const SAMPLE_MS = 1_000;

/** Bytes. `rss` = `anonymous` + `file` (+ shared, of which there is none): file pages are the mapped store and the program itself,
 *  page cache that the kernel takes back when it needs it. */
export type MemorySample = { readonly second: number; readonly rss: number; readonly anonymous: number; readonly file: number };

export const canSample = existsSync('/proc/self/status');

export function readMemory(pid: number): Omit<MemorySample, 'second'> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
  return { rss: bytes('VmRSS'), anonymous: bytes('RssAnon'), file: bytes('RssFile') };
}

/** Samples until `stop`, which returns all of them. */
export function sampleMemory(pid: number): { readonly stop: () => MemorySample[] } {
  const startMs = performance.now();
  const samples: MemorySample[] = [];
  const take = (): void =>
    void samples.push({ second: Math.round((performance.now() - startMs) / 100) / 10, ...readMemory(pid) });
  take();
  const timer = setInterval(take, SAMPLE_MS);
  return {
    stop() {
      clearInterval(timer);
      take();
      return samples;
    },
  };
}
