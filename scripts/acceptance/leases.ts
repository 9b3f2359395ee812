import { shardKeys } from '../../shared/journal/keys.ts';
import type { Stage } from './stage.ts';

/** Pid of the process that holds each shard's lease; undefined where nobody does. */
export async function leaseHolders({ journal, cluster, shards }: Stage): Promise<readonly (number | undefined)[]> {
  const keys = Array.from({ length: shards }, (_, shard) => shardKeys(cluster.namespace, shard).lease);
  return (await journal.mget(keys)).map((lease) => (lease === null ? undefined : pidOf(lease)));
}

/** `<epoch>|<host>-<pid>-<random>` */
function pidOf(lease: string): number {
  const pid = lease.split('-').at(-2);
  if (pid === undefined) throw new Error(`the lease ${JSON.stringify(lease)} does not name a process`);
  return Number(pid);
}

/** How many shards each of these processes holds. */
export async function shardsHeld(stage: Stage, pids: readonly number[]): Promise<readonly number[]> {
  const holders = await leaseHolders(stage);
  return pids.map((pid) => holders.filter((holder) => holder === pid).length);
}
