import * as leases from '../../../lab/cluster/leases.ts';
import type { Stage } from './stage.ts';

/** Pid of the process that holds each shard's lease; undefined where nobody does. */
export function leaseHolders({ journal, cluster, shards }: Stage): Promise<readonly (number | undefined)[]> {
  return leases.leaseHolders({ journal, namespace: cluster.namespace, shards });
}

/** How many shards each of these processes holds. */
export async function shardsHeld(stage: Stage, pids: readonly number[]): Promise<readonly number[]> {
  const holders = await leaseHolders(stage);
  return pids.map((pid) => holders.filter((holder) => holder === pid).length);
}
