import { describe, expect, it } from 'vitest';
import type { Rate, SlotLimiter, Throttled } from '../../../../shared/limiter/limiter.ts';
import { createLimiters, meterEventLimits } from './limiters.ts';

describe("Stripe's limits of meter events", () => {
  it.each([
    [true, undefined, 1, { ratePerS: 1_000, connectedRatePerS: 100 }],
    [false, undefined, 1, { ratePerS: 25, connectedRatePerS: 25 }],
    [true, undefined, 0.5, { ratePerS: 500, connectedRatePerS: 50 }],
    [true, 2_000, 1, { ratePerS: 2_000, connectedRatePerS: 100 }],
    [true, 40, 0.5, { ratePerS: 20, connectedRatePerS: 20 }],
  ])('live: %s, told: %s, our share: %d', (isLive, said, share, limits) => {
    expect(meterEventLimits(isLive, said, share)).toEqual(limits);
  });
});

/** A limiter that answers reports when it is told to. */
class Limiter implements SlotLimiter {
  readonly reports: Throttled[] = [];
  readonly #answers: ((rate: Rate) => void)[] = [];

  lease(): ReturnType<SlotLimiter['lease']> {
    return Promise.resolve({ lease: { waitMs: 1 }, rate: { pace: 0.25, perS: 25, lowered: undefined } });
  }

  throttled(report: Throttled): Promise<Rate> {
    this.reports.push(report);
    return new Promise((resolve) => this.#answers.push(resolve));
  }

  giveBack(): Promise<void> {
    return Promise.resolve();
  }

  answer(pace: number): void {
    this.#answers.shift()?.({ pace, perS: 100 * pace, lowered: undefined });
  }
}

describe('the limiters', () => {
  it('report many calls that were turned away at once in few requests, and none of them twice', async () => {
    const limiter = new Limiter();
    const limiters = createLimiters(() => limiter, 100);
    const first = limiters.throttled('', 1, 'global-rate');
    expect(await limiters.throttled('', 3, 'global-rate')).toBeUndefined();
    expect(await limiters.throttled('', 2, 'endpoint-rate')).toBeUndefined();
    limiter.answer(0.5);
    await Promise.resolve();
    await Promise.resolve();
    limiter.answer(0.25);
    expect(await first).toMatchObject({ pace: 0.25 });
    expect(limiter.reports).toEqual([
      { count: 1, startedAtMs: 1, reason: 'global-rate' },
      { count: 2, startedAtMs: 3, reason: 'endpoint-rate' },
    ]);
    expect(limiters.rate.perS).toBe(25);
  });

  it("know the cluster's own rate from every answer, and not from those of a connected account", async () => {
    const limiters = createLimiters(() => new Limiter(), 100);
    await limiters.lease('acct_1', 1);
    expect(limiters.rate.perS).toBe(100);
    await limiters.lease('', 1);
    expect(limiters.rate.perS).toBe(25);
  });
});
