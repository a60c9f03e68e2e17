// What the HTTP port needs beside reads, for tests of the port alone: writes that nobody asks for, callers who are not asked who they are.
import type { Access } from '../../src/ports/access.ts';
import type { WriteRoutes } from '../../src/api/write_routes.ts';

const unused = (): never => {
  throw new Error('not asked here');
};

export const STUB_WRITES: Omit<WriteRoutes, 'onDefect'> & { readonly access: Access } = {
  writes: { write: unused, deleteProfile: unused, deleteDataset: unused, erase: unused, pseudonymOf: () => undefined },
  audit: () => undefined,
  onWritten: () => undefined,
  access: { tokens: null, loopbackOnly: true, onDenied: () => undefined },
};
