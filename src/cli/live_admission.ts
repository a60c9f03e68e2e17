// What the live definitions say about who may send what: asked before something is sent, to say what is wrong while somebody listens.
import { VisageError } from '../base/errors.ts';
import { didYouMean } from '../definitions/near_miss.ts';
import type { Admission, DatasetRule } from '../message/admission.ts';
import type { Client } from '../worker/client.ts';

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
