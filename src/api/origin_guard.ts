// Where a request comes from, while nobody is asked who they are: pages of other sites must not use the browser of somebody who may.
// OG1: a browser says with which page's origin a request is made; a foreign one is refused, for reads as for writes.
// OG2: a name of somebody else's that resolves to this machine (DNS rebinding) makes a page of theirs look like ours: on this machine's own
//      port only this machine's own names are answered.
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback } from '../base/loopback.ts';

/** Undefined: nothing is wrong with it. */
export function foreign(
  { host, origin }: Pick<IncomingHttpHeaders, 'host' | 'origin'>,
  loopbackOnly: boolean,
): 'foreign_host' | 'foreign_origin' | undefined {
  const asked = urlOf(`http://${host ?? ''}`);
  if (loopbackOnly && (asked === null || !isLoopback(asked.hostname))) return 'foreign_host';
  if (origin === undefined) return undefined;
  // a proxy that speaks TLS for us changes the scheme, not the host
  return asked !== null && urlOf(origin)?.host === asked.host ? undefined : 'foreign_origin';
}

function urlOf(text: string): URL | null {
  return URL.parse(text);
}
