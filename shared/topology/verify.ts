import type { Redis } from 'ioredis';
import { type Channels, exchangeExists, queueState } from './broker-view.ts';
import { deadExchange, shardQueue, usageExchange } from './names.ts';
import { differences, readTopology, type Topology, TopologyError } from './record.ts';

/** Where a cluster is. */
export interface ClusterPlace {
  readonly channels: Channels;
  readonly redis: Redis;
  readonly namespace: string;
}

export interface TopologyPlace extends ClusterPlace {
  /** As configured; the topology must agree. */
  readonly shards: number;
}

export type Verification =
  | { readonly topology: Topology }
  /** Each is a sentence that says what to run. */
  | { readonly faults: readonly string[] };

/**
 * What a consumer stands on: record and exchange are both there, the number of shards is the configured one, and every
 * queue exists. Changes nothing. Rejects when the broker or Redis gives no answer.
 */
export async function verifyTopology({ channels, redis, namespace, shards }: TopologyPlace): Promise<Verification> {
  const exchange = usageExchange(namespace);
  let topology: Topology | 'missing';
  try {
    topology = await readTopology(redis, namespace);
  } catch (error) {
    if (error instanceof TopologyError) return { faults: error.faults };
    throw error;
  }
  const exists = await exchangeExists(channels, exchange);
  if (topology === 'missing') return { faults: [exists ? lostByRedis(exchange) : neverDeclared(namespace)] };
  if (!exists) return { faults: [lostByBroker(exchange)] };
  const differing = differences(topology, shards);
  if (differing.length > 0) return { faults: differing };
  const missing = await missingQueues(channels, namespace, shards);
  if (missing.length > 0) {
    return {
      faults: [
        `The broker has no queue ${missing.join(', ')}: usage for it cannot be published. Run tallyman topology.`,
      ],
    };
  }
  return { topology };
}

export async function missingQueues(channels: Channels, namespace: string, shards: number): Promise<string[]> {
  const missing: string[] = [];
  const names = Array.from({ length: shards }, (_, shard) => shardQueue(namespace, shard));
  for (const name of [...names, deadExchange(namespace)]) {
    if ((await queueState(channels, name)) === undefined) missing.push(name);
  }
  return missing;
}

export function lostByRedis(exchange: string): string {
  return (
    `The broker has the exchange ${exchange}, but Redis does not know this cluster: Redis lost its data, or REDIS_URL names ` +
    'another Redis. What usage was billed already cannot be told, so nothing is counted and usage waits in the broker. ' +
    'Check REDIS_URL, then run tallyman recover.'
  );
}

function neverDeclared(namespace: string): string {
  return `Nothing is declared for the namespace ${namespace}. Correct TALLYMAN_NAMESPACE, or run tallyman topology if this cluster is a new one.`;
}

function lostByBroker(exchange: string): string {
  return (
    `Redis knows this cluster, but the broker has no exchange ${exchange}: the broker lost its data, or AMQP_URL names ` +
    'another broker. Check AMQP_URL, then run tallyman topology.'
  );
}
