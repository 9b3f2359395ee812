import type { Redis } from 'ioredis';
import type { JournalFormat } from '../journal/format.ts';
import { inspectShard } from '../journal/inspect.ts';
import {
  fenceShards,
  type HeldShard,
  holdShard,
  isPending,
  moveSlots,
  renewShard,
  ShardHeldError,
} from '../journal/move.ts';
import { brokerCode, exchangeExists, onChannel, queueState } from './broker-view.ts';
import { alone, bindTopology } from './declare.ts';
import { membersKey, shardQueue, usageExchange } from './names.ts';
import { readTopology, type Topology, TopologyError, writeResharding, writeShards } from './record.ts';
import { maxShards, slotMap } from './slots.ts';
import { lostByRedis, type ClusterPlace } from './verify.ts';
import { counted } from '../log/troubles.ts';

/**
 * Changes the number of shards (invariant 11): a slot changes its queue only while nothing is routed, nothing is queued and nothing
 * is pending, and after its cursors, ids and entries have been carried to the shard that gets it.
 *
 *   declared ──unbind every slot──▶ paused ──all is settled, every consumer gone──▶ moving ──journals moved──▶ declared
 *      ▲                              │                                                        (new number)
 *      └──────── tallyman topology ────┘
 *
 * Publishers need not be stopped: what they publish while no slot is bound is returned to them, and waits in their spools. The
 * state stands in the topology's record, so that a run that was killed goes on with the next one; once `moving`, there is only
 * forward. What a consumer of the old number could still do, frozen or forgotten, is fenced at the journal (`claim.lua`).
 */
export interface Stillness {
  /** Messages in the queues that no consumer holds. */
  readonly ready: number;
  /** Shards with a flush set that is not settled. */
  readonly pending: number;
  /** Consumers that are alive, or died less than a lease ago. */
  readonly consumers: number;
}

export interface ReshardOptions {
  readonly to: number;
  /** Told while it waits, whenever something changed. */
  readonly waiting: (stillness: Stillness) => void;
  /** Ends the waiting: the cluster stays paused. */
  readonly signal: AbortSignal;
}

export type Resharded = 'done' | 'already' | 'interrupted';

const leaseMs = 60_000;
const pollMs = 500;

export async function reshard(place: ClusterPlace, options: ReshardOptions): Promise<Resharded> {
  const { channels, namespace } = place;
  const { to } = options;
  if (!Number.isInteger(to) || to < 1 || to > maxShards) {
    throw new TopologyError([`A cluster has 1 to ${maxShards} shards, not ${to}. Nothing was changed.`]);
  }
  return alone(channels, namespace, async () => {
    const before = await changeable(place, to);
    if (before.shards === to && before.resharding === undefined) {
      await dropQueues(place, to);
      return 'already';
    }
    if (before.resharding === undefined) await writeResharding(place.redis, namespace, { phase: 'paused', to });
    await unbind(place, before);
    const held = await holdStill(place, before, options);
    if (held === undefined) return 'interrupted';
    await move(place, before, to, held);
    const after = await changeable(place, to);
    await bindTopology({ ...place, shards: to }, after);
    await dropQueues(place, to);
    for (const { journal, epoch } of held.values()) await journal.release(epoch);
    return 'done';
  });
}

/** The topology, if its number of shards may be changed to this one. */
async function changeable({ channels, redis, namespace }: ClusterPlace, to: number): Promise<Topology> {
  const exchange = usageExchange(namespace);
  const topology = await readTopology(redis, namespace);
  const exists = await exchangeExists(channels, exchange);
  if (topology === 'missing') {
    throw new TopologyError([
      exists
        ? lostByRedis(exchange)
        : `Nothing is declared for ${namespace}. Correct TALLYMAN_NAMESPACE, or run tallyman topology if this cluster is a new one.`,
    ]);
  }
  if (!exists)
    throw new TopologyError([`The broker has no exchange ${exchange}. Check AMQP_URL, then run tallyman topology.`]);
  const { resharding } = topology;
  if (resharding !== undefined && resharding.to !== to) {
    const undo = resharding.phase === 'paused' ? ', or go back with tallyman topology' : '';
    throw new TopologyError([
      `The cluster is being given ${counted(resharding.to, 'shard')} already. End that first with tallyman topology --reshard ${resharding.to}${undo}.`,
    ]);
  }
  return topology;
}

/** From now on whatever is published is returned. Idempotent. */
async function unbind({ channels, namespace }: ClusterPlace, { slots }: Topology): Promise<void> {
  await onChannel(channels, async (channel) => {
    for (const [slot, shard] of slots.entries()) {
      await channel.unbindQueue(shardQueue(namespace, shard), usageExchange(namespace), String(slot));
    }
  });
}

/** Every shard, old and new, once all is settled and every consumer is gone. Undefined: interrupted. */
async function holdStill(
  place: ClusterPlace,
  { shards, resharding, format }: Topology,
  { to, waiting, signal }: ReshardOptions,
): Promise<ReadonlyMap<number, HeldShard> | undefined> {
  let told = '';
  for (;;) {
    const stillness = await look(place, shards);
    const { ready, pending, consumers } = stillness;
    if (told !== (told = JSON.stringify(stillness))) waiting(stillness);
    // While journals are being moved no consumer can hold anything, and the mover's own empty set may be pending.
    const isStill = resharding?.phase === 'moving' || (ready === 0 && pending === 0 && consumers === 0);
    const held = isStill ? await hold(place, Math.max(shards, to), format) : undefined;
    if (held !== undefined) {
      // Looked at once more, now that nobody can change it.
      if ((await look(place, shards)).ready === 0) return held;
      for (const { journal, epoch } of held.values()) await journal.release(epoch);
    }
    if (signal.aborted) return undefined;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function look({ channels, redis, namespace }: ClusterPlace, shards: number): Promise<Stillness> {
  const all = Array.from({ length: shards }, (_, shard) => shard);
  const queues = await Promise.all(all.map((shard) => queueState(channels, shardQueue(namespace, shard))));
  const journals = await Promise.all(all.map((shard) => inspectShard(redis, namespace, shard)));
  const members = await liveMembers(redis, namespace);
  const subscribed = Math.max(...queues.map((queue) => queue?.consumers ?? 0));
  return {
    ready: queues.reduce((sum, queue) => sum + (queue?.ready ?? 0), 0),
    pending: journals.filter((journal) => journal !== 'missing' && journal.pending !== undefined).length,
    consumers: Math.max(members, subscribed),
  };
}

/** As consumers keep it (`services/consumer/src/ownership`): members by the time when their heartbeat runs out. */
async function liveMembers(redis: Redis, namespace: string): Promise<number> {
  const [seconds] = await redis.time();
  return redis.zcount(membersKey(namespace), Number(seconds) * 1_000, '+inf');
}

/** Undefined while a consumer has a shard, or a set is pending. */
async function hold(
  place: ClusterPlace,
  shards: number,
  format: JournalFormat,
): Promise<ReadonlyMap<number, HeldShard> | undefined> {
  const held = new Map<number, HeldShard>();
  let isStill = true;
  try {
    for (let shard = 0; shard < shards && isStill; shard++) {
      const one = await holdShard({ ...place, format }, shard, leaseMs);
      held.set(shard, one);
      isStill = !(await isPending(one));
    }
  } catch (error) {
    if (!(error instanceof ShardHeldError)) throw error;
    isStill = false;
  }
  if (isStill) return held;
  for (const { journal, epoch } of held.values()) await journal.release(epoch);
  return undefined;
}

async function move(
  place: ClusterPlace,
  { shards }: Topology,
  to: number,
  held: ReadonlyMap<number, HeldShard>,
): Promise<void> {
  const { redis, namespace } = place;
  await writeResharding(redis, namespace, { phase: 'moving', to });
  for (const one of held.values()) await fenceShards(place, one, to);
  const slots = slotMap(to);
  const ownerOf = (slot: number): number => {
    const owner = slots[slot];
    if (owner === undefined) throw new Error(`There is no slot ${slot}.`);
    return owner;
  };
  for (let shard = 0; shard < shards; shard++) {
    const from = held.get(shard);
    if (from === undefined) throw new Error(`Shard ${shard} is not held.`);
    for (const one of held.values()) await renewShard(one, leaseMs);
    await moveSlots(place, from, held, ownerOf);
  }
  await writeShards(redis, namespace, to);
}

/** Queues beyond the number of shards: empty ones, that nobody uses. */
async function dropQueues({ channels, namespace }: ClusterPlace, shards: number): Promise<void> {
  for (let shard = shards; shard < maxShards; shard++) {
    const queue = shardQueue(namespace, shard);
    if ((await queueState(channels, queue)) === undefined) continue;
    try {
      await onChannel(channels, (channel) => channel.deleteQueue(queue, { ifEmpty: true, ifUnused: true }));
    } catch (error) {
      if (brokerCode(error) !== 406) throw error;
      throw new TopologyError([
        `The queue ${queue} belongs to no shard any more, but it holds messages or has a consumer, so it was left as it is. ` +
          'Its usage is not counted. End that consumer, move the messages back to the exchange, and run this again.',
      ]);
    }
  }
}
