import type { Redis } from 'ioredis';
import { inspectShard, type ShardSummary } from '../journal/inspect.ts';
import { oldestFormat } from '../journal/format.ts';
import { type Channels, exchangeExists, queueState, type QueueState } from './broker-view.ts';
import { alone } from './declare.ts';
import { shardQueue, usageExchange } from './names.ts';
import { differences, readTopology, type Topology, TopologyError, writeTopology } from './record.ts';
import { maxShards } from './slots.ts';
import type { ClusterPlace, TopologyPlace } from './verify.ts';

/** What broker and Redis still know, for the person who has to decide (invariant 8). Nothing is changed by looking. */
export interface Survey {
  readonly exchange: boolean;
  readonly topology: Topology | 'missing';
  /** Every shard queue that exists, whether or not it is expected. */
  readonly queues: ReadonlyMap<number, QueueState>;
  readonly journals: ReadonlyMap<number, ShardSummary>;
}

export async function survey({ channels, redis, namespace }: ClusterPlace): Promise<Survey> {
  const [broker, journal] = await Promise.all([surveyBroker(channels, namespace), surveyRedis(redis, namespace)]);
  return { ...broker, ...journal };
}

const allShards: readonly number[] = Array.from({ length: maxShards }, (_, shard) => shard);

export async function surveyBroker(
  channels: Channels,
  namespace: string,
): Promise<Pick<Survey, 'exchange' | 'queues'>> {
  const queues = new Map<number, QueueState>();
  const look = async (shard: number): Promise<void> => {
    const queue = await queueState(channels, shardQueue(namespace, shard));
    if (queue !== undefined) queues.set(shard, queue);
  };
  await Promise.all(allShards.map(look));
  return { exchange: await exchangeExists(channels, usageExchange(namespace)), queues };
}

export async function surveyRedis(redis: Redis, namespace: string): Promise<Pick<Survey, 'topology' | 'journals'>> {
  const journals = new Map<number, ShardSummary>();
  const look = async (shard: number): Promise<void> => {
    const journal = await inspectShard(redis, namespace, shard);
    if (journal !== 'missing') journals.set(shard, journal);
  };
  await Promise.all(allShards.map(look));
  return { topology: await readTopology(redis, namespace), journals };
}

/** Why a new incarnation cannot be made, or would not be right; empty when it can. */
export function obstacles({ exchange, topology, queues }: Survey, namespace: string, shards: number): string[] {
  if (!exchange) {
    return [
      `The broker has no exchange ${usageExchange(namespace)}: there is nothing to recover. Run tallyman topology.`,
    ];
  }
  const differing = topology === 'missing' ? [] : differences(topology, shards);
  if (differing.length > 0) return differing;
  const unexpected = [...queues.keys()].filter((shard) => shard >= shards);
  if (topology !== 'missing' || (unexpected.length === 0 && queues.size === shards)) return [];
  return [
    `The broker has ${queues.size} shard queues, TALLYMAN_SHARDS says ${shards}. Another number would send lanes to other ` +
      `shards, where they could be counted twice. Set TALLYMAN_SHARDS to the number that the cluster was declared with.`,
  ];
}

/**
 * Broker and Redis know the same cluster, whole and as it is configured. Redis that was restored from a backup looks like that, too:
 * it cannot tell what it has forgotten.
 */
export function isHealthy(found: Survey, shards: number): boolean {
  const { exchange, topology, queues } = found;
  if (!exchange || topology === 'missing' || topology.resharding !== undefined || !topology.declared) return false;
  const missing = Array.from({ length: shards }, (_, shard) => shard).filter((shard) => !queues.has(shard));
  return missing.length === 0 && differences(topology, shards).length === 0;
}

/** Makes a new incarnation for an exchange that exists. Every consumer stops at it and begins anew. */
export async function renewIncarnation(place: TopologyPlace): Promise<Topology> {
  const { channels, redis, namespace, shards } = place;
  return alone(channels, namespace, async () => {
    const faults = obstacles(await survey(place), namespace, shards);
    if (faults.length > 0) throw new TopologyError(faults);
    // Without a record nobody knows which versions run: they raise the format by themselves.
    return writeTopology(redis, namespace, { shards, declared: true, format: oldestFormat });
  });
}
