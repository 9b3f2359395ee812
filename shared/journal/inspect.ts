import type { Redis } from 'ioredis';
import { shardKeys } from './keys.ts';

/** What a shard's journal holds, in numbers: for people, not for the protocol. */
export interface ShardSummary {
  readonly shard: number;
  readonly epoch: number;
  readonly next: number;
  /** The owner, while the lease is held. */
  readonly owner?: string;
  /** Number of the set that is committed and not settled. */
  readonly pending?: number;
  /** Redis time of the last commit or settlement. */
  readonly writtenAtMs?: number;
  readonly cursors: number;
  readonly idSets: number;
  readonly deferred: number;
  readonly parked: number;
}

/** Reads without a lease and piece by piece, so while the shard works the numbers may be of slightly different moments. */
export async function inspectShard(redis: Redis, namespace: string, shard: number): Promise<ShardSummary | 'missing'> {
  const keys = shardKeys(namespace, shard);
  const head = await redis.hgetall(keys.head);
  if (Object.keys(head).length === 0) return 'missing';
  const [lease, cursors, idSets, deferred, parked] = await Promise.all([
    redis.get(keys.lease),
    redis.hlen(keys.cursors),
    redis.hlen(keys.idSets),
    redis.hlen(keys.deferred),
    redis.hlen(keys.parked),
  ]);
  const writtenAtMs = Math.max(Number(head['committedAt'] ?? 0), Number(head['settledAt'] ?? 0));
  return {
    shard,
    epoch: Number(head['epoch'] ?? 0),
    next: Number(head['next']),
    ...(lease === null ? {} : { owner: lease.slice(lease.indexOf('|') + 1) }),
    ...(head['state'] === 'pending' ? { pending: Number(head['set']) } : {}),
    ...(writtenAtMs === 0 ? {} : { writtenAtMs }),
    cursors,
    idSets,
    deferred,
    parked,
  };
}
