// The definitions that messages name: known before the first of them is applied.
import { isFor, parseControl } from '../message/control.ts';
import type { LogMessage } from '../message/log_message.ts';
import type { DefinitionsSource } from './shard_options.ts';

/** Loads what a definitions message names, if it is for this generation of the state. */
export async function loadNamed(definitions: DefinitionsSource, message: LogMessage, generation: number): Promise<void> {
  const named = parseControl('definitions', message.body);
  if (named.kind === 'definitions' && isFor(named, generation)) await definitions.load(named.hash);
}
