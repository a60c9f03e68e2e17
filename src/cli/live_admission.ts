// What the live definitions say, for commands: what they would not take is wrong use of the command line.
import { VisageError } from '../base/errors.ts';
import type { Admission } from '../message/admission.ts';
import type { Identity } from '../message/identity.ts';
import type { Client } from '../worker/client.ts';
import { refuseUnknownIdentity } from '../worker/live_admission.ts';
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
export async function refuseUnknownPerson(client: Client, identity: Identity): Promise<void> {
  const admission = await knownAdmission(client);
  if (admission !== undefined) asWrongUse(['unknown_namespace', 'blocked_id'], () => refuseUnknownIdentity(admission, identity));
}

/** An error of these codes means that the command line cannot be meant so: nothing is tried. */
export function asWrongUse<T>(codes: readonly string[], check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof VisageError && codes.includes(error.code)) throw new WrongUse(error.message);
    throw error;
  }
}
