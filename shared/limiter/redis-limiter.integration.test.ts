import { describe, expect, it, onTestFinished } from 'vitest';
import { Secret } from '../config/secret.ts';
import { createLog } from '../log/log.ts';
import { connectRedis, type Redis, untilReady } from '../redis/client.ts';
import { sharedServices } from '../testing/shared-services.ts';
import { until } from '../testing/until.ts';
import { clusterKeyPrefix } from '../topology/names.ts';
import { paceContract } from './pace.contract.ts';
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
  // In use for long: nothing but the slots is looked at.
  await redis.hset(key, 'climbs', 1);
  return {
    lease: async (wanted, spacingUs) => (await askForSlots(redis, key, wanted, spacingUs)).answer,
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
  return {
    nowUs: () => timeUs(redis),
    lease: (wanted, fullSpacing) => askForSlots(redis, key, wanted, fullSpacing),
    throttle: async (report) => (await reportThrottled(redis, key, report)).pace,
    giveBack: (count, endUs, spacingUs) => giveSlotsBack(redis, key, count, endUs, spacingUs),
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

  it('belongs to one credential, and its name does not show it', async () => {
    const redis = await connect();
    const takeAll = async (credential: string): Promise<void> => {
      const limiter = createRedisLimiter({ ...limit, redis, credential: () => credential, ratePerS: 1 });
      expect((await limiter.lease(1)).lease).toHaveProperty('slotsAtMs');
      expect((await limiter.lease(1)).lease).toHaveProperty('waitMs');
    };
    await takeAll('sk_test_first');
    await takeAll('sk_test_second');
    const keys = await redis.keys(`${keyPrefix}rate:*`);
    expect(keys.length).toBeGreaterThanOrEqual(2);
    expect(keys.join()).not.toContain('sk_test');
  });

  it('is kept after Redis has forgotten the script', async () => {
    const redis = await connect();
    const limiter = createRedisLimiter({ ...limit, redis, credential: () => 'sk_test_script', ratePerS: 100 });
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
