// Before an erase message is applied: which identity of the state does it mean?
import { parseControl } from '../message/control.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { ErasureSource } from '../ports/erasures.ts';
import type { ProfileCache } from './profile_cache.ts';

/** Cost: nothing where it is known, else a keyed hash of every key in the state. @throws VisageError `unknown_control` (stop_shard) */
export async function resolveErase(message: LogMessage, erasures: ErasureSource, cache: ProfileCache): Promise<void> {
  const control = parseControl('erase', message.body);
  if (control.kind === 'erase') await erasures.resolve(control.hash, () => cache.keys());
}

/** For logs in which nobody was ever erased: there is nobody to be found, and no secret to hash with. */
export const NO_ERASURES: ErasureSource = {
  hashOf: (key) => key,
  keyOf: () => undefined,
  recordedAt: () => undefined,
  hasHoles: false,
  resolve: () => Promise.resolve(),
};
