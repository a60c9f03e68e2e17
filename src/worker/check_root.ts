// Before a worker begins: do its settings fit the root, and which definitions are live?
import { VisageError } from '../base/errors.ts';
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import type { Settings } from '../definitions/settings.ts';
import type { Topology } from '../message/subject.ts';
import type { Connection } from '../nats/connection.ts';
import type { MetaBucket } from '../stream/meta_bucket.ts';
import { refuseDifferent, seedDefinitions } from './seed_definitions.ts';

/** What was chosen at setup is for life. @throws VisageError `partitions_changed`, `clock_changed` (usage) */
export async function refuseForLife(meta: MetaBucket, settings: Settings): Promise<void> {
  const partitions = await meta.partitions();
  if (partitions !== settings.partitions) {
    throw new VisageError(
      'partitions_changed',
      `partitions is ${settings.partitions} in the settings, but root '${settings.root}' was set up with ${partitions}: the number is for life. Set it back`,
      { kind: 'usage' },
    );
  }
  const clock = await meta.clock();
  if (clock !== settings.clock)
    throw new VisageError(
      'clock_changed',
      `clock is ${settings.clock} in the settings, but root '${settings.root}' was set up with ${clock}: the clock is for life. Set it back`,
      { kind: 'usage' },
    );
}

/** Makes the document live if none is. @throws VisageError `no_definitions`, `definitions_differ` */
export async function haveDefinitions(options: {
  readonly nc: Connection;
  readonly topology: Topology;
  readonly meta: MetaBucket;
  readonly settings: Settings;
  readonly document: DefinitionsDocument | undefined;
}): Promise<void> {
  const { meta, document } = options;
  const live = await meta.liveDefinitions();
  if (document !== undefined) {
    if (live === undefined) await seedDefinitions({ ...options, document });
    else await refuseDifferent(meta, live, document);
  } else if (live === undefined) {
    throw new VisageError(
      'no_definitions',
      "there are no definitions yet; run 'visage setup --definitions FILE' or start with --definitions FILE",
    );
  }
}
