// An authority of one's own and what it signs, made with openssl, for servers that speak TLS.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of the machine; it is no dependency of the package. */
const OPENSSL = 'openssl';

export interface Authority {
  /** Path of its certificate. */
  readonly ca: string;
  /** A certificate for 127.0.0.1, and its key: paths. */
  sign(name: string): { readonly cert: string; readonly key: string };
}

/** @param folder made if missing; another one for each authority */
export function createAuthority(folder: string): Authority {
  mkdirSync(folder, { recursive: true });
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => void execFileSync(OPENSSL, args, { stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const extensions = path('san.cnf');
  writeFileSync(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
  );
  return {
    ca: path('ca.pem'),
    sign(name) {
      const [cert, key, request] = [path(`${name}.pem`), path(`${name}.key`), path(`${name}.csr`)];
      openssl('req', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
      const by = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', extensions];
      openssl('x509', '-req', '-in', request, '-out', cert, ...by);
      return { cert, key };
    },
  };
}

export function hasOpenssl(): boolean {
  return spawnSync(OPENSSL, ['version']).status === 0;
}
