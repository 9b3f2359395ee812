import { createHash } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Secret } from '../config/secret.ts';
import { createLog } from '../log/log.ts';
import { connectRedis, type Redis, untilReady } from '../redis/client.ts';
import { sharedServices } from '../testing/shared-services.ts';
import { until } from '../testing/until.ts';
import { clusterKeyPrefix } from '../topology/names.ts';
import { paceContract } from './pace.contract.ts';
import { type RateState, unusedRate } from './pace.ts';
import { askForSlots, createRedisLimiter, giveSlotsBack, reportThrottled } from './redis-limiter.ts';
import { slotContract } from './slots.contract.ts';

const log = createLog({ service: 'test', level: 'silent' });
const { namespace, redisUrl } = sharedServices();
const keyPrefix = clusterKeyPrefix(namespace);

async function connect(): Promise<Redis> {
  const redis = connectRedis(new Secret(redisUrl), { name: 'limiter-test', log });
  onTestFinished(() => redis.disconnect());
  await untilReady(redis);
  return redis;
}

let opened = 0;

slotContract('Redis', async () => {
  const redis = await connect();
  const key = `${keyPrefix}contract:${++opened}`;
  const keys = [key, `${key}:former`] as const;
  // In use for long: nothing but the slots is looked at.
  await redis.hset(key, 'climbs', 1);
  return {
    lease: async (wanted, spacingUs) => (await askForSlots(redis, keys, wanted, spacingUs)).answer,
    async pass(us) {
      const fromUs = await timeUs(redis);
      await until(async () => (await timeUs(redis)) - fromUs >= us, { intervalMs: 1 });
    },
    async remember(aheadUs) {
      await redis.hset(key, 'next', (await timeUs(redis)) + aheadUs);
    },
  };
});

const fields = {
  nextUs: 'next',
  spacingUs: 'spacing',
  pace: 'pace',
  climbsFromUs: 'climbs',
  judgedFromUs: 'judged',
  secondUs: 'second',
  handedOut: 'out',
  handedOutBefore: 'before',
  throttled: 'throttled',
  changedUs: 'changed',
  reason: 'reason',
} as const;

paceContract('Redis', async () => {
  const redis = await connect();
  const key = `${keyPrefix}contract:${++opened}`;
  const keys = [key, `${key}:former`] as const;
  return {
    nowUs: () => timeUs(redis),
    lease: (wanted, fullSpacing) => askForSlots(redis, keys, wanted, fullSpacing),
    throttle: async (report) => (await reportThrottled(redis, keys, report)).pace,
    giveBack: (count, endUs, spacingUs) => giveSlotsBack(redis, keys, count, endUs, spacingUs),
    async recall() {
      const kept = await redis.hgetall(key);
      const read = Object.entries(fields).flatMap(([name, field]) => {
        const value = kept[field];
        return value === undefined ? [] : [[name, name === 'reason' ? value : Number(value)]];
      });
      return { ...unusedRate, ...(Object.fromEntries(read) as Partial<RateState>) };
    },
    async remember(state) {
      for (const [name, value] of Object.entries(state)) {
        await redis.hset(key, fields[name as keyof typeof fields], value);
      }
    },
  };
});

async function timeUs(redis: Redis): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1_000_000 + Number(microseconds);
}

describe('a limit in Redis', () => {
  const limit = { keyPrefix, provider: 'stripe', endpoint: 'v1-meter-events', log };

  // The slow beginning was reported as a lowered rate: /readyz told of a 429 that nobody had seen, and windows were to be coarsened.
  it('is said to be whole while it begins slowly, and what it is once it was lowered', async () => {
    const limiter = createRedisLimiter({
      ...limit,
      redis: await connect(),
      credential: () => 'sk_test_beginning',
      ratePerS: 1_000,
    });
    expect((await limiter.lease(1)).rate).toEqual({ pace: 1, perS: 1_000, lowered: undefined });
    const lowered = await limiter.throttled({ count: 1, startedAtMs: performance.now(), reason: 'global-rate' });
    expect(lowered.pace).toBeCloseTo(0.25, 1);
    expect((await limiter.lease(1)).rate).toMatchObject({ lowered: { reason: 'global-rate' } });
  });

  it('gives four clients together a good part of the rate, and no second more than the rate', async () => {
    const ratePerS = 1_000;
    const lengthMs = 3_000;
    const started: number[] = [];
    const consumer = async (): Promise<void> => {
      const limiter = createRedisLimiter({
        ...limit,
        endpoint: 'of-four',
        redis: await connect(),
        credential: () => 'sk_test_rate',
        ratePerS,
      });
      const endAtMs = performance.now() + lengthMs;
      while (performance.now() < endAtMs) {
        const { lease } = await limiter.lease(25);
        if ('waitMs' in lease) await delay(lease.waitMs);
        else started.push(...lease.slotsAtMs.filter((atMs) => atMs + lease.toleranceMs > performance.now()));
      }
    };
    await Promise.all([consumer(), consumer(), consumer(), consumer()]);
    started.sort((a, b) => a - b);
    const seconds = (started.at(-1)! - started[0]!) / 1_000;
    // Some 54 % on a machine that has time, since a limit begins with half of it; a busy one gets answers too late.
    expect(started.length / seconds).toBeGreaterThan(ratePerS / 4);
    for (let index = 0; index + ratePerS < started.length; index++) {
      expect(started[index + ratePerS]! - started[index]!).toBeGreaterThan(1_000);
    }
  }, 20_000);

  // Each key had a rate of its own: while a key was rotated, 381 calls were made in a second at a limit of 200.
  it('is one for the old and the new key of a rotation, and its name shows neither', async () => {
    const redis = await connect();
    const own = { ...limit, endpoint: 'rotated', redis, ratePerS: 1 };
    const before = createRedisLimiter({ ...own, credential: () => 'sk_test_first' });
    const after = createRedisLimiter({ ...own, credential: () => 'sk_test_second' });
    expect((await before.lease(1)).lease).toHaveProperty('slotsAtMs');
    expect((await after.lease(1)).lease).toHaveProperty('waitMs');
    expect(await redis.keys(`${keyPrefix}rate:*rotated*`)).toEqual([`${keyPrefix}rate:stripe:rotated`]);
  });

  // Releases before named the limit after its key. During a rolling upgrade both are in use, and must not be two rates.
  it('is one with the limit that consumers of the release before use, for as long as they do', async () => {
    const redis = await connect();
    const name = createHash('sha256').update('sk_test_upgrade').digest('hex').slice(0, 32);
    const formerKey = `${keyPrefix}rate:stripe:${name}:upgraded`;
    const limiter = createRedisLimiter({
      ...limit,
      endpoint: 'upgraded',
      redis,
      credential: () => 'sk_test_upgrade',
      ratePerS: 1,
    });
    const takenUntilUs = (await timeUs(redis)) + 60_000;
    await redis.hset(formerKey, 'next', takenUntilUs, 'climbs', 1);
    await redis.pexpire(formerKey, 30_000);
    const { lease } = await limiter.lease(1);
    if ('waitMs' in lease) throw new Error('no slot behind the one of the release before');
    expect(lease.slotsAtMs[0]! - performance.now()).toBeGreaterThan(20);
    expect(Number(await redis.hget(formerKey, 'next'))).toBeGreaterThan(takenUntilUs);
    expect(await redis.pttl(formerKey)).toBeLessThanOrEqual(30_000);
    await redis.del(formerKey);
    await limiter.lease(1);
    expect(await redis.exists(formerKey)).toBe(0);
  });

  it('is kept after Redis has forgotten the script', async () => {
    const redis = await connect();
    const limiter = createRedisLimiter({
      ...limit,
      endpoint: 'forgotten',
      redis,
      credential: () => 'sk_test_script',
      ratePerS: 100,
    });
    await limiter.lease(1);
    await redis.script('FLUSH');
    expect((await limiter.lease(1)).lease).toHaveProperty('slotsAtMs');
  });

  it('rejects when Redis cannot be reached', async () => {
    const redis = await connect();
    const limiter = createRedisLimiter({ ...limit, redis, credential: () => 'sk_test_away', ratePerS: 100 });
    redis.disconnect();
    await expect(limiter.lease(1)).rejects.toThrow();
  });
});

// A consumer's own wait, as the limiter told it; nothing is expected to have happened meanwhile.
function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
