import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { startRedisMs } from '../shard/testing/fixtures.ts';
import { RedisClock } from './redis-clock.ts';

describe('RedisClock', () => {
  it('goes on from the last answer at the pace of the monotonic clock', () => {
    const clock = new RedisClock();
    clock.observe(startRedisMs, 100.7);
    expect(clock.at(100.7)).toBe(startRedisMs);
    expect(clock.at(350.2)).toBe(startRedisMs + 249);
  });

  it('is never ahead of Redis, for an answer is older when it arrives than when it was given', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.nat(10_000), fc.nat(10_000), (asked, travelled, later) => {
        const clock = new RedisClock();
        clock.observe(startRedisMs + asked, asked + travelled);
        expect(clock.at(asked + travelled + later)).toBeLessThanOrEqual(startRedisMs + asked + travelled + later);
      }),
    );
  });

  it('does not go back for an event that was stamped before the last answer', () => {
    const clock = new RedisClock();
    clock.observe(startRedisMs, 100);
    expect(clock.at(90)).toBe(startRedisMs);
  });
});
