// For the demo on a server that others use: takes away the root it made there.
// RR1: only for a root that the caller made itself: everything in it is gone for good.
import type { Client } from './client.ts';
import { jetstreamManagerOf } from '../stream/streams.ts';

export async function removeRoot(client: Client): Promise<void> {
  const { topology } = client;
  const jsm = await jetstreamManagerOf(client.nc);
  const buckets = [`KV_${topology.leasesBucket}`, `KV_${topology.metaBucket}`, `OBJ_${topology.snapshotsBucket}`];
  for (const stream of [topology.changesStream, topology.deadStream, topology.logStream, ...buckets]) {
    await jsm.streams.delete(stream);
  }
}
