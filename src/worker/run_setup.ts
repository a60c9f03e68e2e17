// `setup` as a command: its own connection, closed when it is done.
import type { DefinitionsDocument } from '../definitions/definitions_document.ts';
import type { Settings } from '../definitions/settings.ts';
import { topologyOf } from '../message/subject.ts';
import { openConnection } from '../nats/connection.ts';
import { setupRoot, type RootReport } from './setup_root.ts';

/** @throws VisageError what `setupRoot` throws, and `no_connection`, `server_too_old` */
export async function runSetup(settings: Settings, definitions?: DefinitionsDocument): Promise<RootReport> {
  const nc = await openConnection(settings.nats, 'visage setup');
  try {
    return await setupRoot(nc, topologyOf(settings.root), settings, definitions);
  } finally {
    await nc.close();
  }
}
