// The subjects of one root. S1: only this file spells them.
import { VisageError } from '../base/errors.ts';
import { identityKey, type Identity } from './identity.ts';

export const DATASET_NAME = /^[a-z][A-Za-z0-9_-]*$/;
/** Stands where a dataset does in the subject of a message about the whole profile. */
export const PROFILE_TOKEN = '_profile';
const ROOT_NAME = /^[a-z][a-z0-9_-]{0,31}$/;

/** Names of everything that belongs to a root. Two roots share an account without touching each other. */
export type Topology = {
  readonly root: string;
  readonly logStream: string;
  readonly changesStream: string;
  readonly deadStream: string;
  readonly leasesBucket: string;
  readonly metaBucket: string;
  readonly snapshotsBucket: string;
};

/** @throws VisageError `bad_root` */
export function topologyOf(root: string): Topology {
  if (!ROOT_NAME.test(root)) {
    throw new VisageError('bad_root', `root '${root}' is not usable; it must match [a-z][a-z0-9_-]{0,31}`, { kind: 'usage' });
  }
  const upper = root.toUpperCase();
  return {
    root,
    logStream: `${upper}_LOG`,
    changesStream: `${upper}_CHANGES`,
    deadStream: `${upper}_DEAD`,
    leasesBucket: `${root}_leases`,
    metaBucket: `${root}_meta`,
    snapshotsBucket: `${root}_snapshots`,
  };
}

/** Where a producer publishes a message of `dataset` about `identity`.
 *  @throws VisageError `bad_dataset`, `bad_identity` */
export function inputSubject(root: string, dataset: string, identity: Identity): string {
  if (!DATASET_NAME.test(dataset) && dataset !== PROFILE_TOKEN) {
    throw new VisageError('bad_dataset', `'${dataset}' is not a dataset name; names match [a-z][A-Za-z0-9_-]*`, {
      kind: 'usage',
    });
  }
  return `${root}.in.${dataset}.${identityKey(identity)}`;
}

export function shardLogPrefix(root: string, shard: number): string {
  return `${root}.log.${shard}.`;
}

export function controlSubject(root: string, shard: number, kind: string): string {
  return `${root}.log.${shard}.ctl.${kind}`;
}

/** @param shard `*`: of all */
export function changesSubject(root: string, shard: number | '*'): string {
  return `${root}.changes.${shard}`;
}

/** Dead letters of a shard; a dataset token that is no name would add tokens or wildcards to the subject, so it becomes `_`. */
export function deadSubject(root: string, shard: number, dataset: string): string {
  return `${root}.dead.${shard}.${DATASET_NAME.test(dataset) ? dataset : '_'}`;
}

export function apiSubject(root: string, verb: string): string {
  return `${root}.api.${verb}`;
}
