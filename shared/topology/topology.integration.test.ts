import { randomUUID } from 'node:crypto';
import { type ChannelModel, connect } from 'amqplib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { slotCount } from '../event/lane.ts';
import type { BackingService } from '../testing/backing-service.ts';
import { type Broker, startBroker } from '../testing/broker.ts';
import { startRedis } from '../testing/redis.ts';
import { type Channels, onChannel } from './broker-view.ts';
import { alone, declareTopology } from './declare.ts';
import { clusterKeyPrefix, deadExchange, shardQueue, usageExchange } from './names.ts';
import { readTopology } from './record.ts';
import { renewIncarnation } from './recovery.ts';
import { slotMap } from './slots.ts';
import { type TopologyPlace, verifyTopology } from './verify.ts';

describe('topology', () => {
  let broker: Broker;
  let redisService: BackingService;
  let redis: Redis;
  let connection: ChannelModel;
  let place: TopologyPlace;

  beforeAll(async () => {
    [broker, redisService] = await Promise.all([startBroker(), startRedis()]);
    redis = new Redis(redisService.url);
    connection = await open();
  });
  afterAll(async () => {
    await connection.close();
    redis.disconnect();
    await Promise.all([broker.stop(), redisService.stop()]);
  });
  beforeEach(() => {
    place = { channels: connection, redis, namespace: `test-${randomUUID()}`, shards: 3 };
  });

  async function open(): Promise<ChannelModel> {
    const model = await connect(broker.url);
    model.on('error', () => {
      // Some of these tests kill the broker.
    });
    return model;
  }

  /** Publishes one message per slot and answers, per slot, the shard whose queue it reached. */
  async function probe(channels: Channels, { namespace, shards }: TopologyPlace): Promise<number[]> {
    const reached = new Array<number>(slotCount).fill(-1);
    await onChannel(channels, async (channel) => {
      for (let slot = 0; slot < slotCount; slot++) {
        channel.publish(usageExchange(namespace), String(slot), Buffer.from(String(slot)), { mandatory: true });
      }
      await channel.checkExchange(usageExchange(namespace));
      for (let shard = 0; shard < shards; shard++) {
        for (;;) {
          const message = await channel.get(shardQueue(namespace, shard), { noAck: true });
          if (message === false) break;
          reached[Number(message.content.toString())] = shard;
        }
      }
    });
    return reached;
  }

  const recordOf = ({ namespace }: TopologyPlace) => `${clusterKeyPrefix(namespace)}topology`;
  const faultsOf = async (at: TopologyPlace) => {
    const verification = await verifyTopology(at);
    return 'faults' in verification ? verification.faults.join('\n') : '';
  };

  it('is verified once it is declared, and not before', async () => {
    expect(await faultsOf(place)).toMatch(/Nothing is declared.*TALLYMAN_NAMESPACE.*tallyman topology/);
    const { topology, before } = await declareTopology(place);
    expect(before).toBe('nothing');
    expect(await verifyTopology(place)).toEqual({ topology });
    expect(await readTopology(redis, place.namespace)).toEqual(topology);
    expect(topology).toMatchObject({ format: 2, shards: 3, slots: slotMap(3), declared: true });
    expect(topology.incarnation).toMatch(/^[0-9a-f]{32}$/);
  });

  it('changes nothing when it is declared again', async () => {
    const first = await declareTopology(place);
    const again = await declareTopology(place);
    expect(again).toEqual({ topology: first.topology, before: 'complete', made: [] });
  });

  it('sends every slot to its shard, and unreadable messages with any key to the dead-letter queue', async () => {
    await declareTopology(place);
    expect(await probe(connection, place)).toEqual(slotMap(3));
    const dead = deadExchange(place.namespace);
    await onChannel(connection, async (channel) => {
      channel.publish(dead, 'whatever', Buffer.from('?'));
      await channel.checkExchange(dead);
      expect(await channel.get(dead, { noAck: true })).toMatchObject({ content: Buffer.from('?') });
    });
  });

  it('makes up for a queue that somebody deleted, under the same incarnation', async () => {
    const { topology } = await declareTopology(place);
    const queue = shardQueue(place.namespace, 1);
    await onChannel(connection, (channel) => channel.deleteQueue(queue));
    expect(await faultsOf(place)).toMatch(new RegExp(`no queue ${queue}.*tallyman topology`));
    expect(await declareTopology(place)).toEqual({ topology, before: 'complete', made: [queue] });
    expect(await probe(connection, place)).toEqual(slotMap(3));
  });

  // Declaring is about 75 steps on the broker; a run may die before any of them.
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 40, 70])(
    'is finished by a second run when the first died before step %i',
    async (step) => {
      await expect(declareTopology({ ...place, channels: dyingBefore(step, connection) })).rejects.toThrow('died');
      const { before } = await declareTopology(place);
      expect(before).toBe('unfinished');
      expect(await probe(connection, place)).toEqual(slotMap(3));
      expect(await faultsOf(place)).toBe('');
    },
  );

  it('refuses when Redis has lost the incarnation of an exchange that exists, until a person makes a new one', async () => {
    const { topology } = await declareTopology(place);
    await redis.del(recordOf(place));
    await expect(declareTopology(place)).rejects.toThrow(/Redis lost its data.*tallyman recover/);
    expect(await faultsOf(place)).toMatch(/Redis lost its data.*tallyman recover/);
    expect(await readTopology(redis, place.namespace)).toBe('missing');

    const renewed = await renewIncarnation(place);
    expect(renewed.incarnation).not.toBe(topology.incarnation);
    expect(await verifyTopology(place)).toEqual({ topology: renewed });
    expect(await declareTopology(place)).toMatchObject({ topology: renewed, before: 'complete' });
  });

  it('makes no new incarnation for another number of shards than the broker has queues for', async () => {
    await declareTopology(place);
    await redis.del(recordOf(place));
    for (const shards of [2, 4]) {
      await expect(renewIncarnation({ ...place, shards })).rejects.toThrow(/has 3 shard queues, TALLYMAN_SHARDS says/);
    }
    expect(await readTopology(redis, place.namespace)).toBe('missing');
  });

  it('makes no new incarnation where there is no exchange', async () => {
    await expect(renewIncarnation(place)).rejects.toThrow(/nothing to recover.*tallyman topology/);
  });

  it('makes a new incarnation when the broker has lost the exchange, and says that messages are gone', async () => {
    const { topology } = await declareTopology(place);
    await onChannel(connection, (channel) => channel.deleteExchange(usageExchange(place.namespace)));
    expect(await faultsOf(place)).toMatch(/broker lost its data.*tallyman topology/);
    const again = await declareTopology(place);
    expect(again.before).toBe('lost');
    expect(again.topology.incarnation).not.toBe(topology.incarnation);
    expect(await probe(connection, place)).toEqual(slotMap(3));
  });

  it('refuses another number of shards, and says which one is right', async () => {
    const { topology } = await declareTopology(place);
    const other = { ...place, shards: 4 };
    await expect(declareTopology(other)).rejects.toThrow(/has 3 shards, TALLYMAN_SHARDS says 4.*Set TALLYMAN_SHARDS=3/);
    await expect(renewIncarnation(other)).rejects.toThrow(/Set TALLYMAN_SHARDS=3/);
    expect(await faultsOf(other)).toMatch(/Set TALLYMAN_SHARDS=3/);
    expect(await verifyTopology(place)).toEqual({ topology });
  });

  it('refuses a stored slot map that differs from its own', async () => {
    await declareTopology(place);
    await redis.hset(recordOf(place), 'slots', slotMap(3).toReversed().join(','));
    await expect(declareTopology(place)).rejects.toThrow(/maps \d+ of 64 slots to other shards/);
    expect(await faultsOf(place)).toMatch(/maps \d+ of 64 slots to other shards/);
  });

  it('refuses a record in a format that it does not know', async () => {
    await declareTopology(place);
    await redis.hset(recordOf(place), 'format', 3);
    await expect(declareTopology(place)).rejects.toThrow(/format 3.*Run the version that wrote it/);
    expect(await faultsOf(place)).toMatch(/format 3.*Run the version that wrote it/);
  });

  it('refuses a queue that exists with a limit, because the limit would drop usage', async () => {
    const queue = shardQueue(place.namespace, 0);
    await onChannel(connection, (channel) => channel.assertQueue(queue, { durable: true, maxLength: 10 }));
    await expect(declareTopology(place)).rejects.toThrow(
      new RegExp(`queue ${queue} exists, but not as Tallyman declares it`),
    );
  });

  it('is declared by one run at a time', async () => {
    const other = await open();
    await alone(other, place.namespace, async () => {
      await expect(declareTopology(place)).rejects.toThrow(/is under way/);
      await expect(renewIncarnation(place)).rejects.toThrow(/is under way/);
    });
    await declareTopology(place);
    await other.close();
  });

  it('maps every slot to the same queue after the broker was killed and started again', async () => {
    const large = { ...place, shards: 16 };
    await declareTopology(large);
    const before = await probe(connection, large);
    expect(before).toEqual(slotMap(16));
    await broker.kill('SIGKILL');
    await broker.start();
    connection = await open();
    const restarted = { ...large, channels: connection };
    expect(await probe(connection, restarted)).toEqual(before);
    expect(await faultsOf(restarted)).toBe('');
  });
});

/** Channels on which the step of that number throws instead of reaching the broker; questions are no steps. */
function dyingBefore(step: number, channels: Channels): Channels {
  let steps = 0;
  const isStep = (name: PropertyKey): name is 'assertQueue' | 'assertExchange' | 'bindQueue' =>
    name === 'assertQueue' || name === 'assertExchange' || name === 'bindQueue';
  return {
    async createChannel() {
      const channel = await channels.createChannel();
      return new Proxy(channel, {
        get(target, name) {
          // The lock comes first and is none of the steps.
          if (isStep(name) && steps++ === step + 1) throw new Error('died');
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== 'function') return value;
          return (...args: unknown[]): unknown => Reflect.apply(value, target, args);
        },
      });
    },
  };
}
