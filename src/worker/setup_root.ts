// `setup`: the streams and buckets of a root, and its first definitions.
import { VisageError } from '../base/errors.ts';
import { formatDuration } from '../base/time.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import type { Settings } from '../definitions/settings.ts';
import type { Topology } from '../message/subject.ts';
import type { Connection } from '../nats/connection.ts';
import { openMetaBucket } from '../stream/meta_bucket.ts';
import { setupStreams, type SetupReport } from '../stream/setup.ts';
import { seedDefinitions } from './seed_definitions.ts';

/** Makes what is missing; refuses when something is there that differs.
 *  @throws VisageError `log_bytes_missing`, `log_too_short`, `setup_differs`, `definitions_differ`, `setup_failed` */
export async function setupRoot(
  nc: Connection,
  topology: Topology,
  settings: Settings,
  definitions?: DefinitionsDocument,
): Promise<SetupReport> {
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
  });
  if (report.differences.length > 0) {
    throw new VisageError(
      'setup_differs',
      `root '${topology.root}' is set up differently; nothing was changed:\n${report.differences.map((line) => `  ${line}`).join('\n')}`,
      { kind: 'usage' },
    );
  }
  if (definitions !== undefined) {
    await seedDefinitions({ nc, topology, meta: await openMetaBucket(nc, topology), settings, document: definitions });
  }
  return report;
}

/** A log shorter than a window could not be replayed or verified for it. */
function refuseShortLog(settings: Settings, definitions: DefinitionsDocument): void {
  if (settings.log.maxAgeMs === 0) return;
  for (const [name, attribute] of definitions.data.computedAttributes) {
    if (attribute.window.kind === 'sliding' && attribute.window.ms > settings.log.maxAgeMs) {
      throw new VisageError(
        'log_too_short',
        `log.maxAge is ${formatDuration(settings.log.maxAgeMs)}, but ${name} looks back ${formatDuration(attribute.window.ms)}: keep the log at least as long`,
        { kind: 'usage' },
      );
    }
  }
}
