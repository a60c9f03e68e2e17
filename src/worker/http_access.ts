// Whether, and how, the callers of the HTTP port say who they are.
// HA1: without tokens the port is this machine's own. Another address without them is refused, unless somebody says that it is meant.
// HA2: a name may be anybody's who has a domain, an address is not: without tokens only this machine's own names and those of http.hosts are
//      answered, and where other machines may ask, addresses.
import { isIP } from 'node:net';
import { VisageError } from '../base/errors.ts';
import { isLoopback } from '../base/loopback.ts';
import type { Settings } from '../definitions/settings.ts';
import type { Access } from '../ports/access.ts';
import type { HttpMeter } from '../ports/metrics.ts';
import { TokenFile, type TokenFileLog } from './token_file.ts';

export type HttpAccess = Access & { close(): void };

export type HttpAccessOptions = {
  readonly http: Settings['http'];
  /** `worker --insecure`. */
  readonly insecure: boolean;
  readonly log: TokenFileLog;
  readonly meter: HttpMeter;
};

/** @throws VisageError `needs_tokens` (usage) · as TokenFile */
export function openAccess({ http, insecure, log, meter }: HttpAccessOptions): HttpAccess {
  const { host, tokensFile, hosts } = http;
  const onDenied: Access['onDenied'] = (why) => void meter.denied[why]++;
  if (tokensFile !== null) {
    const tokens = new TokenFile(tokensFile, log, () => meter.tokenFileFailures++);
    return { tokens, isOurs: () => true, onDenied, close: () => tokens.close() };
  }
  const loopbackOnly = isLoopback(host);
  if (!loopbackOnly && !insecure)
    throw new VisageError(
      'needs_tokens',
      `http.host is ${host}: whoever reaches it could read, write and delete every profile. Set http.tokensFile (visage token makes tokens), ` +
        'or http.host to 127.0.0.1; or start the worker with --insecure where something else keeps others away',
      { kind: 'usage' },
    );
  if (!loopbackOnly) log('warn', '--insecure: whoever reaches the HTTP port may read, write, delete and erase', { host });
  const names = new Set(hosts?.map((name) => name.toLowerCase()));
  const isOurs = (hostname: string): boolean =>
    isLoopback(hostname) || names.has(hostname) || (!loopbackOnly && isIP(hostname.replace(/^\[(.*)\]$/, '$1')) > 0);
  return { tokens: null, isOurs, onDenied, close: () => undefined };
}
