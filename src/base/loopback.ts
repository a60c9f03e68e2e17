// Whether a host is this machine and nothing else.

/** `localhost`, 127.…, ::1, brackets allowed. No other name: what resolves to this machine today is its owner's to change. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}
