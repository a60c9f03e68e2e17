// The pages of the HTTP port with nobody behind them: for tests of what they are, not of what they answer.
import type { Application } from '../../src/api/application.ts';
import { httpPages } from '../../src/api/http_server.ts';
import type { ReadService } from '../../src/ports/reads.ts';

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

export function pagesWithoutWorker(): Application {
  return httpPages({
    health: { readiness: () => ({ ready: true, reasons: [], degraded: [] }) },
    metrics: { contentType: 'text/plain', text: nobody },
    reads: NO_READS,
    version: '0.0.0',
    onRefused: nobody,
    onDefect: nobody,
  });
}
