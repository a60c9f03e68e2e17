// What the live definitions say about who may send what: asked before something is sent, to say what is wrong while somebody listens.
// Of the command line and of HTTP.
import { VisageError } from '../base/errors.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import type { Admission, DatasetRule } from '../message/admission.ts';
import { isBlockedId } from '../message/identities_in.ts';
import type { Identity } from '../message/identity.ts';
import type { DefinitionsCache } from './definitions_cache.ts';

/** @throws VisageError `unknown_dataset` (usage) */
export function definedDataset({ datasets }: Pick<Admission, 'datasets'>, name: string): DatasetRule {
  const dataset = datasets.get(name);
  if (dataset !== undefined) return dataset;
  const known = [...datasets.keys()];
  throw new VisageError(
    'unknown_dataset',
    `no dataset '${name}' is defined${didYouMean(name, known)}; defined: ${known.join(', ')}`,
    { kind: 'usage' },
  );
}

/** @throws VisageError `unknown_namespace`, `blocked_id` (usage) */
export function refuseUnknownIdentity({ namespaces }: Pick<Admission, 'namespaces'>, { namespace, id }: Identity): void {
  if (!namespaces.has(namespace)) {
    const names = [...namespaces.keys()];
    const text = `no namespace '${namespace}' is defined${didYouMean(namespace, names)}; defined: ${names.join(', ')}`;
    throw new VisageError('unknown_namespace', text, { kind: 'usage' });
  }
  if (isBlockedId(id))
    throw new VisageError('blocked_id', 'this id is blocked (blank, null, anonymous, invalid, undefined): nobody has it', {
      kind: 'usage',
    });
}

const FRESH_MS = 1_000;

/** What is live, for those that ask all the time. LA1: a name that is known is answered for at once, and what is live is read again beside it, at
 *  most once a second: the log being away is for whoever sends to find out. LA2: for a name that is not known it is read first. */
export class LiveAdmission {
  private readonly definitions: () => DefinitionsCache | undefined;
  private known: Admission | undefined;
  private reading: Promise<Admission> | undefined;
  private readAtMs = -Infinity;

  /** @param definitions undefined until the worker has read some */
  constructor(definitions: () => DefinitionsCache | undefined) {
    this.definitions = definitions;
  }

  /** @throws VisageError `no_definitions`, `unavailable`, `shard_not_ready` (retry) */
  async with(name: { readonly dataset?: string; readonly namespace?: string }): Promise<Admission> {
    const { known } = this;
    const has = (of: ReadonlyMap<string, unknown>, one: string | undefined): boolean => one === undefined || of.has(one);
    if (known === undefined || !has(known.datasets, name.dataset) || !has(known.namespaces, name.namespace)) return this.read();
    if (performance.now() - this.readAtMs > FRESH_MS) this.read().catch(() => undefined); // LA1
    return known;
  }

  /** As far as is known. */
  isDataset(name: string): boolean {
    return this.known?.datasets.has(name) === true;
  }

  private read(): Promise<Admission> {
    return (this.reading ??= this.live().finally(() => {
      this.readAtMs = performance.now();
      this.reading = undefined;
    }));
  }

  private async live(): Promise<Admission> {
    const definitions = this.definitions();
    if (definitions === undefined)
      throw new VisageError('shard_not_ready', 'the worker is starting; try again', { kind: 'retry' });
    const { hash } = await definitions.live();
    return (this.known = definitions.planOf(hash).admission);
  }
}
