import type { Redis } from './client.ts';

/**
 * Redis' clock, unix milliseconds to the microsecond. Who keeps whole milliseconds rounds down: what is said to have
 * happened at a time must not seem later, or younger, than it was.
 */
export async function redisNowMs(redis: Pick<Redis, 'time'>): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
}
