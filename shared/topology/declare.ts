import type { Channel } from 'amqplib';
import { brokerCode, type Channels, exchangeExists, onChannel } from './broker-view.ts';
import { deadExchange, shardQueue, usageExchange } from './names.ts';
import {
  differences,
  endResharding,
  markDeclared,
  readTopology,
  type Topology,
  TopologyError,
  writeTopology,
} from './record.ts';
import { lostByRedis, missingQueues, type TopologyPlace } from './verify.ts';

/**
 * Declares the topology (ARCHITECTURE.md 3.2) on the broker and its record in Redis. Idempotent, and a run that died is finished by the next one:
 *
 *   no exchange ──▶ new incarnation in Redis ──▶ queues ──▶ exchange ──▶ bindings ──▶ record marked as declared
 *   exchange and record, that agree ─────────────▶ queues ──▶ exchange ──▶ bindings ──▶ record marked as declared
 *
 * The exchange comes after the incarnation, so an exchange without incarnation always means that Redis lost its data. Refuses
 * that, and every difference between what is stored and what is asked for. One run at a time, per namespace.
 */
export interface Declaration {
  readonly topology: Topology;
  /** `lost`: the broker had lost a topology that was complete once, and its messages with it. */
  readonly before: 'nothing' | 'unfinished' | 'complete' | 'lost';
  /** Queues that did not exist. */
  readonly made: readonly string[];
}

export async function declareTopology(place: TopologyPlace): Promise<Declaration> {
  return alone(place.channels, place.namespace, async () => {
    const { channels, redis, namespace, shards } = place;
    const known = await readTopology(redis, namespace);
    const differing = known === 'missing' ? [] : differences(known, shards);
    if (differing.length > 0) throw new TopologyError(differing);
    const exchange = usageExchange(namespace);
    const exists = await exchangeExists(channels, exchange);
    if (known === 'missing' && exists) throw new TopologyError([lostByRedis(exchange)]);

    const topology =
      known === 'missing' || !exists ? await writeTopology(redis, namespace, { shards, declared: false }) : known;
    const made = await missingQueues(channels, namespace, shards);
    await bindTopology(place, topology);
    return { topology: { ...topology, declared: true }, before: stateBefore(known, exists), made };
  });
}

/** Everything that the record says, on the broker. A pause for another number of shards is over with it. */
export async function bindTopology({ channels, redis, namespace }: TopologyPlace, topology: Topology): Promise<void> {
  await onChannel(channels, (channel) => declareOn(channel, namespace, topology));
  await markDeclared(redis, namespace);
  if (topology.resharding !== undefined) await endResharding(redis, namespace);
}

function stateBefore(known: Topology | 'missing', exchangeExists: boolean): Declaration['before'] {
  if (known === 'missing') return 'nothing';
  if (!known.declared) return 'unfinished';
  return exchangeExists ? 'complete' : 'lost';
}

/**
 * No arguments: a classic queue, as LavinMQ has them. No limits of length,
 * age or deliveries, no dead-lettering by the broker: each loses usage. No `x-consumer-timeout`: LavinMQ has none by
 * default, RabbitMQ 3.10 knows no such argument, and its 30 minutes only cost a redelivery.
 */
const durableQueue = { durable: true };

async function declareOn(channel: Channel, namespace: string, topology: Topology): Promise<void> {
  const exchange = usageExchange(namespace);
  const dead = deadExchange(namespace);
  await agreed(`queue ${dead}`, channel.assertQueue(dead, durableQueue));
  // A fanout: whatever key an unreadable message came with, it arrives.
  await agreed(`exchange ${dead}`, channel.assertExchange(dead, 'fanout', { durable: true }));
  await channel.bindQueue(dead, dead, '');
  for (let shard = 0; shard < topology.shards; shard++) {
    const queue = shardQueue(namespace, shard);
    await agreed(`queue ${queue}`, channel.assertQueue(queue, durableQueue));
  }
  await agreed(`exchange ${exchange}`, channel.assertExchange(exchange, 'direct', { durable: true }));
  for (const [slot, shard] of topology.slots.entries()) {
    await channel.bindQueue(shardQueue(namespace, shard), exchange, String(slot));
  }
}

async function agreed(what: string, declared: Promise<unknown>): Promise<void> {
  try {
    await declared;
  } catch (error) {
    if (brokerCode(error) !== 406 || !(error instanceof Error)) throw error;
    throw new TopologyError([
      `The ${what} exists, but not as Tallyman declares it (${error.message}). Left as it is, it could lose usage. ` +
        'Empty and delete it, or use another TALLYMAN_NAMESPACE; then run tallyman topology.',
    ]);
  }
}

/** An exclusive queue is the lock: the broker gives it back when its connection ends, however it ends. */
export async function alone<T>(channels: Channels, namespace: string, run: () => Promise<T>): Promise<T> {
  const lock = `${namespace}.topology-lock`;
  return onChannel(channels, async (channel) => {
    try {
      await channel.assertQueue(lock, { exclusive: true, durable: false });
    } catch (error) {
      if (brokerCode(error) !== 405) throw error;
      throw new TopologyError([
        'Another tallyman topology or tallyman recover is under way for this namespace. Nothing was changed; run it again when that is over.',
      ]);
    }
    try {
      return await run();
    } finally {
      await channel.deleteQueue(lock).catch(() => {
        // The connection is gone, and the lock with it; what `run` threw says why.
      });
    }
  });
}
