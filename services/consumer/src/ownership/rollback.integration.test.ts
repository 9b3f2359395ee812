import { Redis } from 'ioredis';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { JournalFormat } from '../../../../shared/journal/format.ts';
import type { ShardJournal } from '../../../../shared/journal/journal.ts';
import { createRedisJournal } from '../../../../shared/journal/redis-journal.ts';
import { redisNowMs } from '../../../../shared/redis/clock.ts';
import { commitOf, entryOf, parkedOf, token } from '../../../../shared/testing/journal-samples.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { until } from '../../../../shared/testing/until.ts';
import { versionBefore } from '../../../../shared/testing/version-before.ts';
import { raiseJournalFormat } from '../../../../shared/topology/journal-format.ts';
import { memberFormatsKey, topologyKey } from '../../../../shared/topology/names.ts';
import { readTopology, writeTopology } from '../../../../shared/topology/record.ts';
import { createMembership } from './membership.ts';

// Journals hold money that is on its way, and a release can turn out wrong. What is written is read by the version before until every
// member has read the newer format for an hour, or a person says so; from then on the version before is refused, in words.
const redis = new Redis(sharedServices().redisUrl);
afterAll(() => redis.disconnect());

const ttlMs = 60_000;
const shard = 1;
let namespace: string;
let old: ReturnType<typeof versionBefore>;
let clusterFormat: JournalFormat;
let journal: ShardJournal;

beforeEach(async () => {
  ({ namespace } = sharedServices());
  await redis.del(topologyKey(namespace));
  await writeTopology(redis, namespace, { shards: 3, declared: true, format: 1 });
  old = versionBefore(redis, namespace, shard);
  clusterFormat = 1;
  journal = createRedisJournal({ redis, namespace, shard, format: () => clusterFormat });
});

const stored = async () => {
  const topology = await readTopology(redis, namespace);
  return topology === 'missing' ? topology : topology.format;
};
const members = (switchAfterMs: number) => createMembership(redis, namespace, { switchAfterMs });

/** A set with a deferred and a dead entry, and a cursor; everything that can be in a journal. */
async function written(epoch: number): Promise<void> {
  const bound = { ...entryOf(0), meterId: 'mtr_1' };
  const entries = [bound, { ...entryOf(1), meterId: 'mtr_1' }];
  await journal.commit(epoch, { ...commitOf(1), entries, cursors: new Map([['1/p', '1']]) });
  const parked = [
    { ...parkedOf(0, 'deferred'), entry: bound },
    { ...parkedOf(1, 'dead'), entry: entries[1] ?? bound },
  ];
  await journal.progress(
    epoch,
    1,
    token,
    new Map([
      [0, 'deferred'],
      [1, 'dead'],
    ]),
    parked,
  );
}

const claimed = async () => {
  const claim = await journal.claim('new', ttlMs);
  if (!claim.granted) throw new Error(`held by ${claim.holder}`);
  return claim.epoch;
};

describe('until the switch', () => {
  it('the version before reads all that the new one has written, and goes on with it', async () => {
    const epoch = await claimed();
    await written(epoch);
    await journal.release(epoch);
    expect(await old.topologyFault()).toBeUndefined();
    expect(await old.unreadable()).toEqual([]);
    expect(await old.claim('old')).toBe('ok');
    await old.release();
    expect(await claimed()).toBe(epoch + 2);
  });

  it('a member of the version before, which announces nothing, keeps the cluster where it is', async () => {
    const membership = members(0);
    await old.heartbeat('old');
    for (let beat = 0; beat < 3; beat++) expect((await membership.heartbeat('new', ttlMs)).format).toBe(1);
    expect(await raiseJournalFormat(redis, namespace)).toEqual({ answer: 'hindered', members: ['old'] });
    expect(await stored()).toBe(1);
  });

  it('one that comes back in between starts the time anew', async () => {
    const membership = members(100);
    await membership.heartbeat('new', ttlMs);
    const since = await redis.hget(topologyKey(namespace), 'formatReadSince');
    await old.heartbeat('old', 20);
    await membership.heartbeat('new', ttlMs);
    expect(await redis.hget(topologyKey(namespace), 'formatReadSince')).toBeNull();
    await until(async () => {
      await membership.heartbeat('new', ttlMs);
      expect(Number(await redis.hget(topologyKey(namespace), 'formatReadSince'))).toBeGreaterThan(Number(since));
    });
  });

  it('and so does a time without any member: nobody knows who was there', async () => {
    const membership = members(50);
    await membership.heartbeat('new', 10);
    await until(async () => {
      const since = Number(await redis.hget(topologyKey(namespace), 'formatReadSince'));
      expect((await redisNowMs(redis)) - since).toBeGreaterThan(60);
    });
    expect((await membership.heartbeat('next', ttlMs)).format).toBe(1);
  });
});

describe('the switch', () => {
  it('happens by itself once every member has read the newer format for long enough', async () => {
    const membership = members(30);
    await membership.heartbeat('new', ttlMs);
    await membership.heartbeat('other', ttlMs);
    await until(async () => expect((await membership.heartbeat('new', ttlMs)).format).toBe(2));
    expect(await stored()).toBe(2);
  });

  it('does not happen within the hour that it takes by default', async () => {
    const membership = createMembership(redis, namespace);
    const nowMs = await redisNowMs(redis);
    await membership.heartbeat('new', ttlMs);
    await redis.hset(topologyKey(namespace), 'formatReadSince', nowMs - 3_590_000);
    expect((await membership.heartbeat('new', ttlMs)).format).toBe(1);
    await redis.hset(topologyKey(namespace), 'formatReadSince', nowMs - 3_610_000);
    expect((await membership.heartbeat('new', ttlMs)).format).toBe(2);
  });

  it('is made at once by a person, and not twice', async () => {
    await members(ttlMs).heartbeat('new', ttlMs);
    expect(await raiseJournalFormat(redis, namespace)).toEqual({ answer: 'raised' });
    expect(await raiseJournalFormat(redis, namespace)).toEqual({ answer: 'already' });
    expect(await raiseJournalFormat(redis, namespace, 1)).toEqual({ answer: 'already' });
    expect(await stored()).toBe(2);
  });

  it('survives a new incarnation', async () => {
    await raiseJournalFormat(redis, namespace);
    await writeTopology(redis, namespace, { shards: 3, declared: true, format: 1 });
    expect(await stored()).toBe(2);
  });

  it('forgets what members that are gone have announced', async () => {
    const membership = members(ttlMs);
    await membership.heartbeat('gone', 1);
    await until(async () => {
      await membership.heartbeat('new', ttlMs);
      expect(await redis.hkeys(memberFormatsKey(namespace))).toEqual(['new']);
    });
    await membership.withdraw('new');
    expect(await redis.exists(memberFormatsKey(namespace))).toBe(0);
  });
});

describe('after the switch', () => {
  it('the version before is refused when it starts, and no shard of the newer format is its own', async () => {
    const epoch = await claimed();
    await raiseJournalFormat(redis, namespace);
    clusterFormat = 2;
    // The owner that is there raises its journal with its next renewal, before it writes anything of it.
    await journal.renew(epoch, ttlMs);
    await written(epoch);
    await journal.release(epoch);
    expect(await old.topologyFault()).toContain('is stored in format 2, and this version reads format 1 only');
    expect(await old.claim('old')).toBe('format 2');
    expect(await old.unreadable()).not.toEqual([]);
    const state = await journal.load(await claimed());
    expect(state).toMatchObject({ deferred: [{ entry: { meterId: 'mtr_1' } }] });
  });

  // It had looked at the topology before the switch, and joined after it. Counted as a member it would get its part of the shards, and
  // could claim none of them: their usage would wait.
  it('a member of the version before gets no shards: the others share them without it', async () => {
    const membership = members(ttlMs);
    await membership.heartbeat('new', ttlMs);
    await raiseJournalFormat(redis, namespace);
    await old.heartbeat('old');
    expect((await membership.heartbeat('new', ttlMs)).members).toEqual(['new']);
  });
});
