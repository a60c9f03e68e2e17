// A root with datasets of records and of events, a worker on it, and the command line pointed at it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { DefinitionsDocument } from '../../src/definitions/definitions_document.ts';
import { loadDefinitionsFile } from '../../src/definitions/load_definitions.ts';
import type { Settings } from '../../src/definitions/settings.ts';
import { identityName } from '../../src/message/identity.ts';
import { applyDefinitions } from '../../src/worker/apply_definitions.ts';
import type { Client } from '../../src/worker/client.ts';
import { runCommand, type Ran } from './run_command.ts';
import type { Overrides, World } from './world.ts';

/** `customers` and `loyalty` are records, their e-mail address an identity; `orders` are events. */
const DEFINITIONS = `
version: 1
namespaces:
  customerId: { type: person, priority: 1, unique: true }
  email: { type: person, priority: 2 }
schemas:
  purchase: { class: individual, behavior: event, jsonSchema: { type: object } }
  customer:
    class: individual
    behavior: record
    jsonSchema:
      type: object
      properties:
        name: { type: string }
        points: { type: number }
        personalEmail: { type: object, properties: { address: { type: string } } }
    identities:
      - { path: /personalEmail/address, namespace: email }
datasets:
  orders: { schema: purchase, profile: true }
  crm: { schema: customer, profile: true }
  loyalty: { schema: customer, profile: true }
EXTRA
computedAttributes:
  orderCount: { class: individual, function: count, window: lifetime }
`;

export interface RecordRoot {
  readonly client: Client;
  readonly settings: Settings;
  /** Of the settings file. */
  readonly config: string;
  /** `visage …args --config …`, in this process; its input comes from a file. */
  run(args: readonly string[], input?: string): Promise<Ran>;
  /** One that must succeed; what it printed. */
  good(args: readonly string[], input?: string): Promise<string>;
  /** Adds lines to the datasets of the live definitions. */
  apply(datasets: string): Promise<void>;
  /** The attributes of a profile as of a sequence; undefined: there is no such profile. */
  attributes(namespace: string, id: string, after: number): Promise<unknown>;
  /** The attributes of every profile, by `namespace:id`. */
  everybody(): Promise<ReadonlyMap<string, unknown>>;
  /** What the log has of a dataset: body and the two headers that say what it does. */
  logged(dataset: string): Promise<readonly Logged[]>;
}

type Logged = { readonly body: string; readonly operation?: string; readonly lastUpdated?: string };

/** @param worker start one */
export async function startRecordRoot(world: World, root: string, overrides: Overrides = {}): Promise<RecordRoot> {
  const all = { root, dataDirectory: join(world.folder, root), ...overrides };
  const file = join(world.folder, `${root}.definitions.yaml`);
  const definitions = (extra: string): DefinitionsDocument => {
    writeFileSync(file, DEFINITIONS.replace('EXTRA', extra));
    return loadDefinitionsFile(file);
  };
  await world.startReady(all, { setup: true, definitions: definitions('') });
  const client = await world.client(all);
  const config = join(world.folder, `${root}.yaml`);
  const clock = overrides['clock'] === 'event' ? 'clock: event\n' : '';
  writeFileSync(config, `nats: { servers: [${world.server.url}] }\nroot: ${root}\npartitions: 4\n${clock}`);
  const run = async (args: readonly string[], input?: string): Promise<Ran> => {
    const file = join(world.folder, `${root}.input.json`);
    if (input !== undefined) writeFileSync(file, input);
    return runCommand([...args, ...(input === undefined ? [] : [file]), '--config', config]);
  };
  return {
    client,
    settings: world.settings(all),
    config,
    run,
    async good(args, input) {
      const { code, stdout, stderr } = await run(args, input);
      expect({ code, stderr }, args.join(' ')).toMatchObject({ code: 0 });
      return stdout;
    },
    async apply(datasets) {
      await applyDefinitions(client, world.settings(all), definitions(datasets));
    },
    attributes: async (namespace, id, after) => (await client.profile({ namespace, id, after }))?.attributes,
    async everybody() {
      const found = new Map<string, unknown>();
      for await (const { view } of client.exportProfiles()) found.set(identityName(view.profile), view.attributes);
      return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
    },
    async logged(dataset) {
      const messages: Logged[] = [];
      for await (const message of client.readDataset(dataset, 0)) {
        const headers = message.headers?.() ?? {};
        const operation = headers['Visage-Operation'];
        const lastUpdated = headers['Visage-Last-Updated'];
        messages.push({
          body: Buffer.from(message.body).toString(),
          ...(operation === undefined ? {} : { operation }),
          ...(lastUpdated === undefined ? {} : { lastUpdated }),
        });
      }
      return messages;
    },
  };
}
