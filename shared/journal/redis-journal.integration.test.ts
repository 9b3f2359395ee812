import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackingService } from '../testing/backing-service.ts';
import { journalContract } from '../testing/journal-contract.ts';
import { startRedis } from '../testing/redis.ts';
import { until } from '../testing/until.ts';
import { EntryBook, type FoundEntry } from './entry-book.ts';
import { openStates } from './entry-states.ts';
import { decodeClosed, decodeParked, type JournalFormat, newestFormat } from './format.ts';
import type { Decision, SetCommit, ShardJournal, ShardState } from './journal.ts';
import { shardKeys } from './keys.ts';
import { createRedisJournal } from './redis-journal.ts';

const shard = 3;

function emptySet(set: number): SetCommit {
  return {
    set,
    token: `token-${set}`,
    entries: [],
    cursors: new Map(),
    forgottenCursors: [],
    ids: [],
    forgottenIdSets: [],
    totals: new Map(),
  };
}

async function groundOn(redis: Redis) {
  const namespace = `test-${randomUUID()}`;
  const book = new EntryBook(redis, namespace);
  const decided = async (identifier: string, decide: (found: FoundEntry) => Promise<ReadonlySet<string>>) => {
    for await (const found of book.list(shard, new Set(openStates))) {
      if (found.record.entry.identifier === identifier) return (await decide(found)).has(identifier);
    }
    return false;
  };
  return {
    namespace,
    handle: (format = (): JournalFormat => newestFormat) => createRedisJournal({ redis, namespace, shard, format }),
    elapse: async (ms: number) => {
      const from = await clockOf(redis);
      await until(async () => (await clockOf(redis)) >= from + ms, { intervalMs: 1 });
    },
    parked: async () => (await redis.hvals(shardKeys(namespace, shard).parked)).map(decodeParked),
    replay: (identifier: string, decision: Decision) =>
      decided(identifier, (found) => book.replay(shard, [found], decision)),
    discard: (identifier: string, decision: Decision) =>
      decided(identifier, (found) => book.close(shard, [found], 'discarded', decision)),
    closed: async () => {
      const keys = await redis.keys(`${namespace}:*:closed:*`);
      const texts = await Promise.all(keys.map((key) => redis.hvals(key)));
      return texts.flat().map(decodeClosed);
    },
  };
}

async function clockOf(redis: Redis): Promise<number> {
  const [seconds = 0, microseconds = 0] = await redis.time();
  return seconds * 1_000 + Math.floor(microseconds / 1_000);
}

describe.each([
  { name: 'Redis', cluster: false },
  { name: 'Redis in cluster mode', cluster: true },
])('$name', ({ name, cluster }) => {
  let service: BackingService;
  let redis: Redis;
  beforeAll(async () => {
    service = await startRedis({ cluster });
    redis = new Redis(service.url, { autoResendUnfulfilledCommands: false });
    if (cluster) {
      await redis.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      await until(async () => /cluster_state:ok/.test(await redis.cluster('INFO')));
    }
  }, 60_000);
  afterAll(async () => {
    redis.disconnect();
    await service.stop();
  });

  journalContract(name, () => groundOn(redis));

  it('goes on after Redis has forgotten its scripts', async () => {
    const ground = await groundOn(redis);
    const journal = ground.handle();
    await journal.claim('owner', 60_000);
    await redis.script('FLUSH', 'SYNC');
    expect(await journal.renew(1, 60_000)).toMatchObject({ answer: 'ok' });
    expect(await journal.renew(1, 60_000)).toMatchObject({ answer: 'ok' });
  });

  it('refuses a journal in a format that it does not know, and leaves it as it is', async () => {
    const { namespace, handle } = await groundOn(redis);
    const { head, lease } = shardKeys(namespace, shard);
    await redis.hset(head, { format: '3', next: '9' });
    await expect(handle().claim('owner', 60_000)).rejects.toThrow(
      /shard 3 is in format 3.*Run the version that wrote it/,
    );
    expect(await redis.hgetall(head)).toEqual({ format: '3', next: '9' });
    expect(await redis.exists(lease)).toBe(0);
  });

  it('keeps a settled set for seven days, and nothing else of it', async () => {
    const { namespace, handle } = await groundOn(redis);
    const journal = handle();
    const keys = shardKeys(namespace, shard);
    await journal.claim('owner', 60_000);
    await journal.commit(1, emptySet(1));
    await journal.mark(1, 1, 'token-1', [0]);
    await journal.progress(1, 1, 'token-1', new Map([[0, 'accepted']]), []);
    await journal.complete(1, 1, 'token-1', 1);
    expect(await redis.exists(keys.set, keys.marks, keys.progress)).toBe(0);
    const keptMs = await redis.pttl(keys.settled(1));
    expect(keptMs).toBeGreaterThan(7 * 24 * 3_600_000 - 60_000);
    expect(keptMs).toBeLessThanOrEqual(7 * 24 * 3_600_000);
  });

  it('leaves no byte of forgotten ids in Redis', async () => {
    const { namespace, handle } = await groundOn(redis);
    const journal = handle();
    await journal.claim('owner', 60_000);
    const ids = [0, 1, 2].map((slot) => ({ slot, bytes: Buffer.alloc(16, slot) }));
    await journal.commit(1, { ...emptySet(1), ids });
    await journal.complete(1, 1, 'token-1', 0);
    await journal.commit(1, { ...emptySet(2), forgottenIdSets: [1] });
    const keys = shardKeys(namespace, shard);
    expect(await redis.exists(keys.ids, keys.idSets)).toBe(0);
  });

  it('refuses a load whose lease is lost between two pieces, at the very next piece', async () => {
    const { namespace, handle } = await groundOn(redis);
    const first = handle();
    await first.claim('owner', 60_000);
    await first.commit(1, { ...emptySet(1), ids: [{ slot: 0, bytes: Buffer.alloc(16) }] });
    await first.release(1);
    let calls = 0;
    let loseAt = Infinity;
    const callBuffer = async (command: string, args: (string | number | Buffer)[]) => {
      if (calls === loseAt) await redis.del(shardKeys(namespace, shard).lease);
      calls++;
      return redis.callBuffer(command, args);
    };
    const journal = createRedisJournal({ redis: { callBuffer }, namespace, shard, format: () => newestFormat });
    const load = async (lost: number) => {
      const claim = await journal.claim('owner', 60_000);
      [calls, loseAt] = [0, lost];
      const state = await journal.load(claim.granted ? claim.epoch : 0);
      loseAt = Infinity;
      return state;
    };
    // The first time, some calls are repeated because Redis does not know their scripts yet.
    await load(Infinity);
    expect(await load(Infinity)).toMatchObject({ next: 2, pending: { set: 1 } });
    const pieces = calls;
    expect(pieces).toBe(5);
    for (let piece = 0; piece < pieces; piece++) {
      expect(await load(piece)).toBe('stale');
      expect(calls).toBe(piece + 1);
    }
  });

  // Redis came back with older data, and one epoch was given twice: the first holder must not go on beside the second.
  it('does not take an owner for the holder of an epoch that was given to another one', async () => {
    const { namespace, handle } = await groundOn(redis);
    const [first, second] = [handle(), handle()];
    await first.claim('first', 60_000);
    await redis.del(shardKeys(namespace, shard).lease, shardKeys(namespace, shard).head);
    expect(await second.claim('second', 60_000)).toMatchObject({ granted: true, epoch: 1 });
    expect(await first.renew(1, 60_000)).toMatchObject({ answer: 'stale' });
  });

  it('says what to do when a handle writes without having claimed', async () => {
    const { handle } = await groundOn(redis);
    await expect(handle().renew(1, 60_000)).rejects.toThrow(/claim and write with the same one/);
  });

  it('repeats a commit whose answer was lost, and it is there once', async () => {
    const { namespace, handle } = await groundOn(redis);
    const impatient = new Redis(service.url, { commandTimeout: 50, autoResendUnfulfilledCommands: false });
    const journal = createRedisJournal({ redis: impatient, namespace, shard, format: () => newestFormat });
    await journal.claim('owner', 60_000);
    const commit = { ...emptySet(1), cursors: new Map([['1/p', '1']]) };
    await service.freeze();
    await expect(journal.commit(1, commit)).rejects.toThrow(/timed out/);
    await service.thaw();
    const answer = await until(() => journal.commit(1, commit));
    expect(answer).toMatchObject({ answer: 'ok' });
    expect(await journal.commit(1, emptySet(2))).toEqual({ answer: 'pending' });
    expect(await journal.load(1)).toMatchObject({ next: 2, pending: { set: 1 }, cursors: commit.cursors });
    expect(await handle().claim('rival', 60_000)).toMatchObject({ granted: false, holder: 'owner' });
    impatient.disconnect();
  });

  it('has everything that was answered after Redis was killed and started again', async () => {
    const { handle } = await groundOn(redis);
    const journal = handle();
    await journal.claim('owner', 60_000);
    await journal.commit(1, { ...emptySet(1), ids: [{ slot: 7, bytes: Buffer.alloc(1_600, 7) }] });
    await journal.mark(1, 1, 'token-1', [0]);
    const { redisMs: before, ...state } = await stateOf(journal);
    await service.kill('SIGKILL');
    await service.start();
    const { redisMs: after, ...again } = await until(() => stateOf(journal));
    expect(again).toEqual(state);
    expect(after).toBeGreaterThan(before);
  });
});

async function stateOf(journal: ShardJournal): Promise<ShardState> {
  const state = await journal.load(1);
  if (state === 'stale') throw new Error('stale');
  return state;
}
