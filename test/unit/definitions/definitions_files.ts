// Writes definitions files for the tests of this folder.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadDefinitionsFile } from '../../../src/definitions/load_definitions.ts';
import type { DefinitionsDocument } from '../../../src/definitions/definitions_document.ts';
import { MistakesError } from '../../../src/definitions/mistakes.ts';

export function writeFiles(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'visage-definitions-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

export function load(text: string, name = 'definitions.yaml'): DefinitionsDocument {
  return loadDefinitionsFile(join(writeFiles({ [name]: text }), name));
}

/** `line:column message` of every mistake, without the temporary folder. */
export function mistakesOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof MistakesError)
      return error.mistakes.map((mistake) => `${mistake.line}:${mistake.column} ${mistake.message}`);
    throw error;
  }
  return [];
}

export const BASE = `version: 1
namespaces: { customerId: { type: person, priority: 1 } }
schemas:
  purchase:
    class: individual
    behavior: event
    jsonSchema:
      type: object
      properties:
        price: { type: number }
        quantity: { type: integer }
        channel: { type: string }
        gift: { type: boolean }
        tags: { type: array, items: { type: string } }
        free: {}
        order: { type: object, properties: { total: { type: number }, note: { type: string } } }
# feeds
datasets: { orders: { schema: purchase, profile: true } }
`;

/** BASE with computed attributes, which start on line 20. */
export function withAttributes(...lines: string[]): string {
  return `${BASE}computedAttributes:\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

export function attribute(name: string, rest: string): string {
  return `${name}: { class: individual, ${rest} }`;
}
