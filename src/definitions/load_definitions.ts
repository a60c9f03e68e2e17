// The door to definitions: a file, a folder of files, or the canonical copy that KV keeps.
// Boundary: reads files; what they say is checked in check_definitions.ts.
// L1: a document that comes out of here is complete and every expression in it compiles.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { VisageError, errorText } from '../base/errors.ts';
import { checkDefinitions } from './check_definitions.ts';
import { documentOf, hashOf, type DefinitionsDocument } from './definitions_document.ts';
import { readLocated, type LocatedFile } from './located_yaml.ts';
import { MistakesError } from './mistakes.ts';

const EXTENSION = /\.(ya?ml|json)$/;

/** Reads a YAML or JSON file, or every one of a folder (not its subfolders), merged.
 *  @throws MistakesError `bad_definitions`: every mistake with file, line and column
 *  @throws VisageError `bad_definitions` when the path cannot be read or holds no definitions
 *  Cost: about 1 ms for ten attributes */
export function loadDefinitionsFile(path: string): DefinitionsDocument {
  return checkedDocument(filesOf(path).map((file) => readLocated(file, read(file))));
}

/** The document behind a canonical text, with the hash of that very text.
 *  @throws VisageError `unreadable_definitions` (stop_worker): stored by another release, or damaged */
export function parseDefinitionsDocument(canonicalJson: string): DefinitionsDocument {
  const hash = hashOf(canonicalJson);
  try {
    return {
      ...checkedDocument([readLocated(`definitions ${hash.slice(0, 12)}`, canonicalJson)], true),
      hash,
      canonical: canonicalJson,
    };
  } catch (cause) {
    throw new VisageError(
      'unreadable_definitions',
      `the stored definitions ${hash.slice(0, 12)} cannot be read by this release: ${errorText(cause)}`,
      {
        cause,
        kind: 'stop_worker',
      },
    );
  }
}

function checkedDocument(files: readonly LocatedFile[], isStored = false): DefinitionsDocument {
  const { data, mistakes } = checkDefinitions(files, isStored);
  if (mistakes.length > 0) throw new MistakesError('bad_definitions', mistakes);
  return documentOf(data);
}

function filesOf(path: string): string[] {
  let names: string[];
  try {
    if (!statSync(path).isDirectory()) return [path];
    names = readdirSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  const files = names.filter((name) => EXTENSION.test(name)).sort();
  if (files.length === 0)
    throw new VisageError('bad_definitions', `${path}: the folder has no .yaml, .yml or .json file`, { kind: 'usage' });
  return files.map((name) => join(path, name));
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(path: string, cause: unknown): VisageError {
  return new VisageError('bad_definitions', `${path}: cannot be read: ${errorText(cause)}`, { cause, kind: 'usage' });
}
