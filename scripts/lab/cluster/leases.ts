import type { Redis } from 'ioredis';
import { shardKeys } from '../../../shared/journal/keys.ts';

export interface Journals {
  /** To look into them. */
  readonly journal: Redis;
  readonly namespace: string;
  readonly shards: number;
}

/** Pid of the process that holds each shard's lease; undefined where nobody does. */
export async function leaseHolders({ journal, namespace, shards }: Journals): Promise<readonly (number | undefined)[]> {
  const keys = Array.from({ length: shards }, (_, shard) => shardKeys(namespace, shard).lease);
  return (await journal.mget(keys)).map((lease) => (lease === null ? undefined : pidOf(lease)));
}

/** `<epoch>|<host>-<pid>-<random>` */
function pidOf(lease: string): number {
  const pid = lease.split('-').at(-2);
  if (pid === undefined) throw new Error(`the lease ${JSON.stringify(lease)} does not name a process`);
  return Number(pid);
}
