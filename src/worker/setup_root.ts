// `setup`: the streams and buckets of a root, and its first definitions.
import { VisageError } from '../base/errors.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import { beyondTheLog } from '../definitions/log_reach.ts';
import type { Settings } from '../definitions/settings.ts';
import type { Topology } from '../message/subject.ts';
import type { Connection } from '../nats/connection.ts';
import { openMetaBucket } from '../stream/meta_bucket.ts';
import { setupStreams, type SetupReport } from '../stream/setup.ts';
import { seedDefinitions } from './seed_definitions.ts';

/** `live`: hash of the definitions that are live, when there were any to be made so. */
export type RootReport = SetupReport & { readonly live: string | null };

/** Makes what is missing; refuses when something is there that differs.
 *  @throws VisageError `log_bytes_missing`, `log_too_short`, `setup_differs`, `definitions_differ`, `setup_failed` */
export async function setupRoot(
  nc: Connection,
  topology: Topology,
  settings: Settings,
  definitions?: DefinitionsDocument,
): Promise<RootReport> {
  if (settings.log.maxBytes === null) {
    throw new VisageError(
      'log_bytes_missing',
      'log.maxBytes is needed: how much disk the log may take before producers are told to slow down, e.g. log.maxBytes: 10GB',
      { kind: 'usage' },
    );
  }
  if (definitions !== undefined) refuseShortLog(settings, definitions);
  const report = await setupStreams(nc, topology, {
    partitions: settings.partitions,
    replicas: settings.replicas,
    clock: settings.clock,
    logMaxAgeMs: settings.log.maxAgeMs,
    logMaxBytes: settings.log.maxBytes,
    changesMaxAgeMs: settings.changes.maxAgeMs,
    deadMaxAgeMs: settings.dead.maxAgeMs,
    leaseTtlMs: settings.lease.ttlMs,
  });
  if (report.differences.length > 0) {
    throw new VisageError(
      'setup_differs',
      `root '${topology.root}' is set up differently; nothing was changed:\n${report.differences.map((line) => `  ${line}`).join('\n')}`,
      { kind: 'usage' },
    );
  }
  if (definitions === undefined) return { ...report, live: null };
  const live = await seedDefinitions({ nc, topology, meta: await openMetaBucket(nc, topology), settings, document: definitions });
  return { ...report, live };
}

/** A log shorter than a window could not be replayed or verified for it. @throws VisageError `log_too_short` */
export function refuseShortLog(settings: Settings, definitions: DefinitionsDocument): void {
  const [line] = beyondTheLog(definitions, settings.log.maxAgeMs);
  if (line !== undefined) throw new VisageError('log_too_short', line, { kind: 'usage' });
}
