import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackingService } from './backing-service.ts';
import { startRedis } from './redis.ts';

describe('a private Redis', () => {
  let redis: BackingService;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  it('syncs its append-only file at every write, and has the data after SIGKILL', async () => {
    const before = new Redis(redis.url, { retryStrategy: () => null });
    before.on('error', () => undefined);
    expect(await before.config('GET', 'appendfsync')).toEqual(['appendfsync', 'always']);
    await before.set('survivor', 'kept');

    await redis.kill('SIGKILL');
    before.disconnect();
    await redis.start();

    const after = new Redis(redis.url);
    expect(await after.get('survivor')).toBe('kept');
    after.disconnect();
  }, 20_000);
});
