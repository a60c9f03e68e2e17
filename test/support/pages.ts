// The pages of the HTTP port with nobody behind them: for tests of what they are, not of what they answer.
import { isLoopback } from '../../src/base/loopback.ts';
import type { Application } from '../../src/api/application.ts';
import { httpPages } from '../../src/api/http_server.ts';
import type { WriteRoutes } from '../../src/api/write_routes.ts';
import type { Access } from '../../src/ports/access.ts';
import type { ReadService } from '../../src/ports/reads.ts';
import { newWorkerMeter } from '../../src/shard/metering.ts';

function nobody(): never {
  throw new Error('nobody is asked here');
}

export const NO_READS: ReadService = {
  profile: nobody,
  explain: nobody,
  events: nobody,
  unionSchema: nobody,
  definitions: nobody,
  exportPage: nobody,
  status: nobody,
};

export const NO_WRITES: Omit<WriteRoutes, 'onDefect'> & { readonly access: Access } = {
  writes: {
    write: nobody,
    deleteProfile: nobody,
    deleteDataset: nobody,
    erase: nobody,
    isDataset: () => false,
    pseudonymOf: () => undefined,
  },
  audit: nobody,
  onWritten: nobody,
  access: { tokens: null, isOurs: isLoopback, onDenied: nobody },
};

export function pagesWithoutWorker(): Application {
  return httpPages({
    health: { readiness: () => ({ ready: true, reasons: [], degraded: [] }) },
    metrics: { contentType: 'text/plain', text: nobody },
    reads: NO_READS,
    ...NO_WRITES,
    changes: { subscribe: nobody },
    live: newWorkerMeter().live,
    version: '0.0.0',
    onRefused: nobody,
    isBusy: () => false,
    onDefect: nobody,
  });
}
