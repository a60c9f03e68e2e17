// What the live definitions say about who may send what: asked before something is sent, to say what is wrong while somebody listens.
import { VisageError } from '../base/errors.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import type { Admission, DatasetRule } from '../message/admission.ts';
import { isBlockedId } from '../message/identities_in.ts';
import type { Identity } from '../message/identity.ts';
import type { Client } from '../worker/client.ts';
import { WrongUse } from './failure.ts';

/** @throws VisageError `no_definitions` */
export async function liveAdmission(client: Client): Promise<Admission> {
  const admission = await knownAdmission(client);
  if (admission !== undefined) return admission;
  throw new VisageError('no_definitions', "no definitions are live; run 'visage setup --definitions FILE' first");
}

/** Undefined before the first definitions. */
export async function knownAdmission(client: Client): Promise<Admission | undefined> {
  const hash = await client.meta.liveDefinitions();
  return hash === undefined ? undefined : (await client.plan(hash)).admission;
}

/** Wrong names of somebody are said before anything is sent. @throws WrongUse */
export async function refuseUnknownIdentity(client: Client, { namespace, id }: Identity): Promise<void> {
  const known = (await knownAdmission(client))?.namespaces;
  if (known?.has(namespace) === false) {
    const names = [...known.keys()];
    const text = `no namespace '${namespace}' is defined${didYouMean(namespace, names)}; defined: ${names.join(', ')}`;
    throw new WrongUse(text);
  }
  if (isBlockedId(id)) throw new WrongUse('this id is blocked (blank, null, anonymous, invalid, undefined): nobody has it');
}

/** @throws VisageError `unknown_dataset` (usage) */
export function definedDataset({ datasets }: Admission, name: string): DatasetRule {
  const dataset = datasets.get(name);
  if (dataset !== undefined) return dataset;
  const known = [...datasets.keys()];
  throw new VisageError(
    'unknown_dataset',
    `no dataset '${name}' is defined${didYouMean(name, known)}; defined: ${known.join(', ')}`,
    { kind: 'usage' },
  );
}
