// The version of this package, read once from its package.json (the same two folders up in src and in dist).
import { readFileSync } from 'node:fs';

const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');

export const version: string = (JSON.parse(text) as { version: string }).version;
