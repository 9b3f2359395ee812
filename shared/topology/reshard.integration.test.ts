import { randomBytes } from 'node:crypto';
import { type ChannelModel, connect } from 'amqplib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { slotCount, slotOf } from '../event/lane.ts';
import { encodeParked, newestFormat } from '../journal/format.ts';
import type { ParkedEntry, SetCommit, ShardState } from '../journal/journal.ts';
import { shardKeys } from '../journal/keys.ts';
import { entriesPerPiece } from '../journal/move.ts';
import { createRedisJournal } from '../journal/redis-journal.ts';
import { sharedServices } from '../testing/shared-services.ts';
import { until } from '../testing/until.ts';
import { queueState } from './broker-view.ts';
import { declareTopology } from './declare.ts';
import { clusterKeyPrefix, shardQueue, usageExchange } from './names.ts';
import { readTopology, writeResharding } from './record.ts';
import { reshard, type Stillness } from './reshard.ts';
import { slotMap } from './slots.ts';
import { type TopologyPlace, verifyTopology } from './verify.ts';

const { amqpUrl, redisUrl } = sharedServices();
const never = new AbortController().signal;
const customerOf = (slot: number): string => {
  for (let number = 0; ; number++)
    if (slotOf({ customer: `cus_${number}`, meter: 'm' }) === slot) return `cus_${number}`;
};
const moving = (from: number, to: number): number[] => {
  const [before, after] = [slotMap(from), slotMap(to)];
  return before.flatMap((shard, slot) => (after[slot] === shard ? [] : [slot]));
};

describe('reshard', () => {
  let redis: Redis;
  let connection: ChannelModel;
  let place: TopologyPlace;

  beforeAll(async () => {
    redis = new Redis(redisUrl);
    connection = await connect(amqpUrl);
  });
  afterAll(async () => {
    redis.disconnect();
    await connection.close();
  });
  beforeEach(async () => {
    place = { channels: connection, redis, namespace: sharedServices().namespace, shards: 3 };
    await declareTopology(place);
  });

  const to = (shards: number, signal = never, seen: Stillness[] = []) =>
    reshard(place, { to: shards, signal, waiting: (stillness) => seen.push(stillness) });

  /** As a consumer of a cluster with that many shards would. */
  async function asConsumer<T>(
    shard: number,
    shards: number,
    use: (journal: ReturnType<typeof createRedisJournal>, epoch: number) => Promise<T>,
  ): Promise<T> {
    const journal = createRedisJournal({
      redis,
      namespace: place.namespace,
      shard,
      shards,
      format: () => newestFormat,
    });
    const claim = await journal.claim('consumer', 60_000);
    if (!claim.granted) throw new Error(`held by ${claim.holder}`);
    const result = await use(journal, claim.epoch);
    await journal.release(claim.epoch);
    return result;
  }

  /** A settled set that remembers a message and an id of this slot, and has a deferred, a dead and a waiting entry of it. */
  async function remember(shard: number, slot: number, { settle = true } = {}): Promise<void> {
    const entry = (name: string) => ({
      identifier: `${name}-${slot}`,
      customer: customerOf(slot),
      meter: 'm',
      value: '1',
      timestamp: 1,
      windowStartMs: 0,
      events: 1,
    });
    const parked = (name: string, state: ParkedEntry['state']): ParkedEntry => ({
      entry: entry(name),
      state,
      reason: 'test',
      attempts: 1,
      parkedAtMs: 1,
      set: 1,
    });
    const commit: SetCommit = {
      set: 1,
      token: randomBytes(16).toString('hex'),
      entries: [entry('deferred'), entry('dead')],
      cursors: new Map([[`${slot}/producer`, '1;1;1-3']]),
      forgottenCursors: [],
      ids: [{ slot, bytes: Buffer.alloc(16, slot) }],
      forgottenIdSets: [],
      totals: new Map([['0/cus/m', '1']]),
    };
    await asConsumer(shard, place.shards, async (journal, epoch) => {
      await journal.commit(epoch, commit);
      if (!settle) return;
      const settled = new Map([
        [0, 'deferred'],
        [1, 'dead'],
      ] as const);
      const entries = [parked('deferred', 'deferred'), parked('dead', 'dead')];
      await journal.progress(epoch, 1, commit.token, settled, entries);
      await journal.complete(epoch, 1, commit.token, 1);
    });
    const { replays } = shardKeys(place.namespace, shard);
    await redis.hset(replays, `waiting-${slot}`, encodeParked(parked('waiting', 'deferred'), newestFormat));
  }

  const load = (shard: number, shards: number): Promise<ShardState> =>
    asConsumer(shard, shards, async (journal, epoch) => {
      const state = await journal.load(epoch);
      if (state === 'stale') throw new Error('stale');
      return state;
    });

  const parkedOf = (shard: number): Promise<string[]> =>
    redis.hkeys(`${place.namespace}:{${place.namespace}:${String(shard).padStart(3, '0')}}:parked`);

  /** Publishes one message per slot; answers the slots that came back. */
  async function publishEach(): Promise<number[]> {
    const channel = await connection.createConfirmChannel();
    try {
      const returned: number[] = [];
      channel.on('return', ({ fields }: { fields: { routingKey: string } }) =>
        returned.push(Number(fields.routingKey)),
      );
      for (let slot = 0; slot < slotCount; slot++) {
        channel.publish(usageExchange(place.namespace), String(slot), Buffer.from('x'), { mandatory: true });
      }
      await channel.waitForConfirms();
      return returned;
    } finally {
      await channel.close();
    }
  }

  it.each([
    [3, 5],
    [5, 3],
  ])('carries cursors, ids and entries from %i to %i shards, and routes by the new map', async (before, after) => {
    if (before !== place.shards) {
      await to(before);
      place = { ...place, shards: before };
    }
    const [slot = -1] = moving(before, after);
    const from = slotMap(before)[slot] ?? -1;
    const target = slotMap(after)[slot] ?? -1;
    await remember(from, slot);

    expect(await to(after)).toBe('done');
    const state = await load(target, after);
    expect(state.cursors.get(`${slot}/producer`)).toBe('1;1;1-3');
    const ids = state.idSets.flatMap((idSet) => idSet.ids.filter((each) => each.slot === slot));
    expect(ids.map(({ bytes }) => Buffer.from(bytes))).toEqual([Buffer.alloc(16, slot)]);
    expect(state.deferred.map(({ entry }) => entry.identifier)).toEqual([`deferred-${slot}`]);
    expect(await parkedOf(target)).toEqual([`dead-${slot}`]);
    expect(await parkedOf(from)).toEqual([]);
    expect(await redis.hkeys(shardKeys(place.namespace, target).replays)).toEqual([`waiting-${slot}`]);
    expect(await redis.hkeys(shardKeys(place.namespace, from).replays)).toEqual([]);
    expect(await redis.hlen(`${place.namespace}:{${place.namespace}:${String(from).padStart(3, '0')}}:deferred`)).toBe(
      0,
    );

    expect('topology' in (await verifyTopology({ ...place, shards: after }))).toBe(true);
    expect(await publishEach()).toEqual([]);
    const loads = Array.from({ length: after }, (_, shard) => slotMap(after).filter((owner) => owner === shard).length);
    for (const [shard, expected] of loads.entries()) {
      expect((await queueState(connection, shardQueue(place.namespace, shard)))?.ready).toBe(expected);
    }
    for (let shard = after; shard < before; shard++) {
      expect(await queueState(connection, shardQueue(place.namespace, shard))).toBeUndefined();
    }
  });

  // One typo makes 100,000 dead entries in seconds: carried by one script they kept Redis from everybody, or were refused as too many.
  it('carries any number of entries, in pieces', async () => {
    const [slot = -1] = moving(3, 4);
    const [from = -1, target = -1] = [slotMap(3)[slot], slotMap(4)[slot]];
    await remember(from, slot);
    const { parked } = shardKeys(place.namespace, from);
    const [text = ''] = await redis.hvals(parked);
    const names = Array.from({ length: 2 * entriesPerPiece + 1 }, (_, index) => `dead-${slot}-${index}`);
    await redis.hset(parked, Object.fromEntries(names.map((name) => [name, text])));
    const calls = vi.spyOn(redis, 'callBuffer');

    expect(await to(4)).toBe('done');
    const lengths = calls.mock.calls.map(([, args]) => (Array.isArray(args) ? args.length : 0));
    calls.mockRestore();
    expect(Math.max(...lengths)).toBeLessThan(2 * entriesPerPiece + 20);
    expect((await parkedOf(target)).toSorted()).toEqual([`dead-${slot}`, ...names].toSorted());
    expect(await parkedOf(from)).toEqual([]);
  });

  it('waits for messages and consumers, with every slot unbound, and goes back when told to', async () => {
    await publishEach();
    const members = `${clusterKeyPrefix(place.namespace)}members`;
    await redis.zadd(members, Date.now() + 60_000, 'consumer');
    const seen: Stillness[] = [];
    const interrupted = new AbortController();
    const running = to(4, interrupted.signal, seen);
    await until(() => expect(seen).toEqual([{ ready: slotCount, pending: 0, consumers: 1 }]));
    expect(await publishEach()).toHaveLength(slotCount);
    // Consumers go on with what there is.
    expect('topology' in (await verifyTopology(place))).toBe(true);
    interrupted.abort();
    expect(await running).toBe('interrupted');

    expect((await declareTopology(place)).before).toBe('complete');
    expect(await readTopology(redis, place.namespace)).not.toHaveProperty('resharding');
    expect(await publishEach()).toEqual([]);
  });

  it('waits while a flush set is pending', async () => {
    const [slot = -1] = moving(3, 4);
    await remember(slotMap(3)[slot] ?? -1, slot, { settle: false });
    const seen: Stillness[] = [];
    const interrupted = new AbortController();
    const running = to(4, interrupted.signal, seen);
    await until(() => expect(seen).toEqual([{ ready: 0, pending: 1, consumers: 0 }]));
    interrupted.abort();
    expect(await running).toBe('interrupted');
  });

  it('waits while a consumer that is not a member any more still has its lease', async () => {
    const journal = createRedisJournal({
      redis,
      namespace: place.namespace,
      shard: 1,
      shards: 3,
      format: () => newestFormat,
    });
    const claim = await journal.claim('frozen', 60_000);
    const interrupted = new AbortController();
    const running = to(4, interrupted.signal);
    setTimeout(() => interrupted.abort(), 1_000);
    expect(await running).toBe('interrupted');
    if (!claim.granted) throw new Error('not granted');
    expect((await journal.renew(claim.epoch, 1_000)).answer).toBe('ok');
  });

  it('lets no consumer of the old number have a shard again', async () => {
    await to(4);
    const old = createRedisJournal({
      redis,
      namespace: place.namespace,
      shard: 1,
      shards: 3,
      format: () => newestFormat,
    });
    expect(await old.claim('zombie', 1_000)).toMatchObject({
      granted: false,
      holder: expect.stringContaining('4 shards'),
    });
    await asConsumer(1, 4, () => Promise.resolve());
  });

  it('only goes forward once journals are being moved, and ends what a killed run has begun', async () => {
    const [slot = -1] = moving(3, 4);
    await remember(slotMap(3)[slot] ?? -1, slot);
    await writeResharding(redis, place.namespace, { phase: 'moving', to: 4 });
    await expect(declareTopology(place)).rejects.toThrow('tallyman topology --reshard 4');
    await expect(to(5)).rejects.toThrow('being given 4 shards already');
    expect(await verifyTopology(place)).toMatchObject({ faults: [expect.stringContaining('--reshard 4')] });
    // It was killed between the commit of what it carried and its settlement.
    const target = createRedisJournal({ redis, namespace: place.namespace, shard: 3, format: () => newestFormat });
    const claim = await target.claim('npm run topology -- --reshard', 60_000);
    if (!claim.granted) throw new Error('not granted');
    const nothing = { forgottenCursors: [], ids: [], forgottenIdSets: [], totals: new Map() };
    const cursors = new Map([[`${slot}/producer`, '1;1;1-3']]);
    await target.commit(claim.epoch, { set: 1, token: 'ab', entries: [], cursors, ...nothing });

    expect(await to(4)).toBe('done');
    const state = await load(3, 4);
    expect(state.cursors.get(`${slot}/producer`)).toBe('1;1;1-3');
    expect(state.pending).toBeUndefined();
  });
});
