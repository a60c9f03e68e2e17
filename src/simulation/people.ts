// Whom the messages of the simulated world are about, and when something was deleted of them: what is as of then is on the edge.
import { zipf, type Random } from '../base/random.ts';
import { encodeId, identityKey, partitionOf, type IdentityKey } from '../message/identity.ts';
import { oneOf, type Swarm } from './swarm.ts';

const IDS = ['ada@example.com', 'é', '100%', 'a b', 'a~b_c-d', '0'];
const DELETES_MAX = 8;

export class People {
  /** Moments of the last deletes, as their sender's clock said. */
  readonly deletedAtMs: number[] = [];
  private readonly keys: readonly IdentityKey[];
  private readonly pick: (random: Random) => number;

  constructor(namespaces: readonly string[], swarm: Swarm, random: Random) {
    this.keys = identities(namespaces, swarm, random);
    const { length } = this.keys;
    this.pick = swarm.traffic.zipfS > 0 ? zipf(length, swarm.traffic.zipfS) : (from) => from.below(length);
  }

  /** Some are spoken of more than others. */
  someone(random: Random): IdentityKey {
    return this.keys[this.pick(random)]!;
  }

  /** One that messages are about, or that none is about. */
  anyone(random: Random): IdentityKey {
    return random.next() < 0.05 ? 'nobody.nobody' : oneOf(random, this.keys);
  }

  noteDelete(nowMs: number): void {
    this.deletedAtMs.push(nowMs);
    if (this.deletedAtMs.length > DELETES_MAX) this.deletedAtMs.shift();
  }

  /** The moment of a delete, or one millisecond off; `nowMs` when nothing was deleted. */
  nearDelete(random: Random, nowMs: number): number {
    const { deletedAtMs } = this;
    return deletedAtMs.length === 0 ? nowMs : oneOf(random, deletedAtMs) + oneOf(random, [-1, 0, 0, 1]);
  }
}

function identities(namespaces: readonly string[], swarm: Swarm, random: Random): IdentityKey[] {
  const keys: IdentityKey[] = [];
  for (let n = 0; keys.length < swarm.traffic.profiles; n++) {
    const id = n < IDS.length ? IDS[n]! : `c-${n}`;
    const key = identityKey({ namespace: oneOf(random, namespaces), id });
    if (partitionOf(key, swarm.partitions) === swarm.shard) keys.push(key);
  }
  if (swarm.partitions > 1 && random.next() < 0.3) keys.push(`${namespaces[0]!}.${encodeId('of another shard?')}`);
  return keys;
}
