// Where a request comes from, while nobody is asked who they are: pages of other sites must not use the browser of somebody who may.
// OG1: a browser says with which page's origin a request is made; a foreign one is refused, for reads as for writes.
// OG2: a name of somebody else's that resolves to this machine (DNS rebinding) makes a page of theirs look like ours: only names that are
//      known to be ours are answered.
import type { IncomingHttpHeaders } from 'node:http';
import type { Access } from '../ports/access.ts';

/** Undefined: nothing is wrong with it. */
export function foreign(
  { host, origin }: Pick<IncomingHttpHeaders, 'host' | 'origin'>,
  isOurs: Access['isOurs'],
): 'foreign_host' | 'foreign_origin' | undefined {
  const asked = urlOf(`http://${host ?? ''}`);
  if (asked === null || !isOurs(asked.hostname.replace(/\.$/, ''))) return 'foreign_host'; // a name may be written absolute, with its dot
  if (origin === undefined) return undefined;
  // a proxy that speaks TLS for us changes the scheme, not the host
  return urlOf(origin)?.host === asked.host ? undefined : 'foreign_origin';
}

function urlOf(text: string): URL | null {
  return URL.parse(text);
}
