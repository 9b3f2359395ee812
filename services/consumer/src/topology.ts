import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerSession } from '../../../shared/amqp/connection.ts';
import { redisFault } from '../../../shared/redis/redis-fault.ts';
import { ConfigError } from '../../../shared/config/config.ts';
import type { Troubles } from '../../../shared/log/troubles.ts';
import type { Redis } from '../../../shared/redis/client.ts';
import { readTopology, type Topology } from '../../../shared/topology/record.ts';
import { verifyTopology } from '../../../shared/topology/verify.ts';

const pollMs = 500;
const reason = 'topology';

export interface TopologyWait {
  readonly redis: Redis;
  readonly namespace: string;
  readonly shards: number;
  /** The broker connection that is up, if any. */
  readonly session: () => BrokerSession | undefined;
  readonly troubles: Troubles;
  readonly signal: AbortSignal;
}

/**
 * The topology, once broker and Redis agree on it. Waits for as long as they do not, saying every minute what is wrong and
 * what to run: in a cluster that is being set up, a consumer may come before the topology.
 *
 * @throws {ConfigError} when the topology has another number of shards: waiting would not help.
 */
export async function untilTopology(wait: TopologyWait): Promise<Topology> {
  for (;;) {
    wait.signal.throwIfAborted();
    const result = await look(wait);
    if ('topology' in result) {
      wait.troubles.over(reason, 'The topology can be used again.');
      return result.topology;
    }
    const fault = result.faults.join(' ');
    if (fault !== '') {
      wait.troubles.tell({
        reason,
        level: 'error',
        message: 'The topology cannot be used, so nothing is counted; usage waits in the broker.',
        fields: { fault },
        remark: fault,
      });
    }
    await sleep(pollMs, undefined, { signal: wait.signal });
  }
}

async function look({ redis, namespace, shards, session }: TopologyWait): ReturnType<typeof verifyTopology> {
  const channels = session();
  // The connection itself says when it is away.
  if (channels === undefined) return { faults: [] };
  try {
    const result = await verifyTopology({ channels, redis, namespace, shards });
    if ('faults' in result) await refuseOtherShards(redis, namespace, shards, result.faults);
    return result;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    // A connection that broke meanwhile says so itself; the next look waits for it.
    if (session() !== channels) return { faults: [] };
    return {
      faults: [`Broker or Redis do not let the topology be read: ${redisFault(error).words} It is tried again.`],
    };
  }
}

async function refuseOtherShards(
  redis: Redis,
  namespace: string,
  shards: number,
  faults: readonly string[],
): Promise<void> {
  const topology = await readTopology(redis, namespace).catch(() => 'missing' as const);
  if (topology !== 'missing' && topology.shards !== shards) throw new ConfigError([...faults]);
}
