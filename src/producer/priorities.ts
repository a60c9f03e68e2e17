// What definitions say about who owns a message: known from the start, or learned once they are live.
// PR1: what is known is not forgotten: a read that fails, or finds nothing, changes nothing.
import type { IdentityDescriptor } from '../message/admission.ts';
import type { Naming } from './choose_identity.ts';

const REREAD_MS = 1_000;

export class Priorities {
  private naming: Naming | null;
  /** Null: what was given is all there is. */
  private readonly read: (() => Promise<Naming | null>) | null;
  private underWay: Promise<void> | undefined;
  private lastReadMs = -Infinity;

  constructor(naming: Naming | null, read: (() => Promise<Naming | null>) | null = null) {
    this.naming = naming;
    this.read = read;
  }

  /** Null when nothing is known. */
  get known(): Naming | null {
    return this.naming;
  }

  /** The read under way. Whoever must not overtake those that wait for it waits too. Never rejects. */
  get reading(): Promise<void> | undefined {
    return this.underWay;
  }

  /** Starts a read when this dataset is not known: one at a time, at most one a second. */
  lookAgain(dataset: string): void {
    const { read } = this;
    if (read === null || this.naming?.datasets.has(dataset) === true || this.underWay !== undefined) return;
    const nowMs = performance.now();
    if (nowMs - this.lastReadMs < REREAD_MS) return;
    this.lastReadMs = nowMs;
    this.underWay = this.learn(read);
  }

  private async learn(read: () => Promise<Naming | null>): Promise<void> {
    try {
      this.naming = (await read()) ?? this.naming;
    } catch {
      // not known as before; the next `send` that needs it asks again
    }
    // later than those that wait go on: a `send` between them would overtake them
    setImmediate(() => (this.underWay = undefined));
  }
}

type StoredSchema = {
  readonly behavior?: 'event' | 'record';
  readonly identities?: readonly { readonly path: string; readonly namespace: string }[];
};
export type StoredDefinitions = {
  readonly namespaces: Readonly<Record<string, { readonly priority: number }>>;
  readonly schemas?: Readonly<Record<string, StoredSchema>>;
  readonly datasets?: Readonly<Record<string, { readonly schema: string }>>;
};

/** From a definitions document as it is stored; this room sees no definitions. */
export function namingOf({ namespaces, schemas = {}, datasets = {} }: StoredDefinitions): Naming {
  return {
    namespaces: new Map(Object.entries(namespaces).map(([name, { priority }]) => [name, priority])),
    datasets: new Map(
      Object.entries(datasets).map(([name, { schema }]) => {
        const { behavior = 'event', identities = [] } = Object.hasOwn(schemas, schema) ? schemas[schema]! : {};
        const descriptors = identities.map(({ path, namespace }): IdentityDescriptor => ({ path: steps(path), namespace }));
        return [name, { behavior, identities: descriptors }];
      }),
    ),
  };
}

/** Of a JSON pointer. */
function steps(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}
