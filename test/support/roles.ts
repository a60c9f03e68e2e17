// A world whose server has the users of config/nats, and what each of them needs to connect.
import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { openConnection, type Connection } from '../../src/nats/connection.ts';
import { createProducer, type ProducerOptions } from '../../src/producer/create_producer.ts';
import type { Producer } from '../../src/producer/producer.ts';
import { purchase } from './purchase.ts';
import { startWorld, type Overrides, type World, type WorldOptions } from './world.ts';

export const ADA = { namespace: 'customerId', id: 'ada@example.com' };
const NAMESPACES = { customerId: 1, email: 2 };

export const ROLES = ['producer', 'worker', 'reader', 'administrator'] as const;
export type Role = (typeof ROLES)[number];

export const NATS_CONFIG = join(import.meta.dirname, '../../config/nats');

/** Of the server's environment. */
export const PASSWORDS = Object.fromEntries(ROLES.map((role) => [`NATS_${role.toUpperCase()}_PASSWORD`, passwordOf(role)]));

/** @param file the one of config/nats that names the users */
export async function startRoleWorld(file: 'users.conf' | 'accounts.conf', options: WorldOptions = {}): Promise<World> {
  Object.assign(process.env, PASSWORDS); // the server has this process's
  // the server takes an include as relative, whatever it begins with
  const server = (storeDirectory: string): string => `include "${relative(storeDirectory, join(NATS_CONFIG, file))}"`;
  const world = await startWorld({ ...options, server });
  for (const role of ROLES) writeFileSync(passwordFile(world, role), `${passwordOf(role)}\n`);
  return world;
}

/** The settings by which a command, a worker or a producer is that user. */
export function as(world: World, role: Role): Overrides {
  return { 'nats.user': role, 'nats.passwordFile': passwordFile(world, role), 'nats.inboxPrefix': `_INBOX.${role}` };
}

function passwordFile(world: World, role: Role): string {
  return join(world.folder, `${role}.password`);
}

function passwordOf(role: Role): string {
  return `hush-${role}`;
}

export function connect(world: World, role: Role, name: string = role): Promise<Connection> {
  return openConnection(world.settings(as(world, role)).nats, name);
}

export function produce(world: World, options: ProducerOptions = {}): Promise<Producer> {
  const { servers, user, passwordFile, inboxPrefix } = world.settings(as(world, 'producer')).nats;
  return createProducer({ servers, user: user!, passwordFile: passwordFile!, inboxPrefix, namespaces: NAMESPACES, ...options });
}

export function send(producer: Producer, n: number, more: object = {}): ReturnType<Producer['send']> {
  const { dataset, body } = purchase(ADA.id, { _id: `e-${n}`, atMs: Date.now() });
  return producer.send(dataset, { ...(JSON.parse(body as string) as object), ...more }, { identity: ADA });
}
