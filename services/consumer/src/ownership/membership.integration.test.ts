import { Redis } from 'ioredis';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { clusterKeyPrefix } from '../../../../shared/topology/names.ts';
import { readTopology, writeTopology } from '../../../../shared/topology/record.ts';
import { until } from '../../../../shared/testing/until.ts';
import { sharedServices } from '../../../../shared/testing/shared-services.ts';
import { createMembership } from './membership.ts';

const { namespace, redisUrl } = sharedServices();
const redis = new Redis(redisUrl);
const membership = createMembership(redis, namespace);
afterAll(() => redis.disconnect());
beforeEach(() => redis.del(`${clusterKeyPrefix(namespace)}topology`));

// A member that had halted left its shards to others that had not seen what Redis had lost: they went on from the older journal and billed
// what was sent already, before anybody had looked. Found by the simulation (profile redis_loss).
it('lets nobody go on once one member has found that Redis has lost writes', async () => {
  const { incarnation } = await writeTopology(redis, namespace, { shards: 3, declared: true });
  expect(await membership.heartbeat('other', 5_000)).toMatchObject({
    topology: { incarnation, shards: 3 },
    members: ['other'],
  });
  await membership.distrust(incarnation);
  expect((await membership.heartbeat('other', 5_000)).topology?.incarnation).toBeUndefined();
  expect(await readTopology(redis, namespace)).toBe('missing');
  const recovered = await writeTopology(redis, namespace, { shards: 3, declared: true });
  expect((await membership.heartbeat('other', 5_000)).topology?.incarnation).toBe(recovered.incarnation);
});

it('distrusts only the incarnation that was found wrong, not one that a person has made since', async () => {
  const { incarnation } = await writeTopology(redis, namespace, { shards: 3, declared: true });
  await membership.distrust('0123456789abcdef0123456789abcdef');
  expect((await membership.heartbeat('other', 5_000)).topology?.incarnation).toBe(incarnation);
});

// Set back by an hour, Redis' clock kept every member that died since for an hour: the others left its share of the shards to it.
it('forgets a member that is gone within two heartbeat times after the clock was set back', async () => {
  const key = `${clusterKeyPrefix(namespace)}members`;
  await redis.del(key);
  const [seconds] = await redis.time();
  await redis.zadd(key, Number(seconds) * 1_000 + 3_600_000, 'gone');
  expect((await membership.heartbeat('me', 300)).members).toEqual(['me', 'gone']);
  await until(async () => expect((await membership.heartbeat('me', 300)).members).toEqual(['me']));
});

it('tells who withdraws which others are left, and not those whose heartbeat has run out', async () => {
  await redis.del(`${clusterKeyPrefix(namespace)}members`);
  await membership.heartbeat('late', 1);
  for (const member of ['me', 'other']) await membership.heartbeat(member, 5_000);
  await until(async () => expect(await membership.withdraw('me')).toEqual(['other']));
  expect(await membership.withdraw('other')).toEqual([]);
});
