import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minuteMs } from '../shard/testing/fixtures.ts';
import { highestPrefetch, lowestPrefetch, PrefetchTuner } from './prefetch.ts';

function deliver(tuner: PrefetchTuner, messages: number, events: number): void {
  for (let message = 0; message < messages; message++) tuner.delivered(events);
}

describe('PrefetchTuner', () => {
  it('stays from 4,000 to 65,535 and only grows, whatever comes', () => {
    const load = fc.record({
      messages: fc.nat(3_000),
      events: fc.nat(500),
      flightMs: fc.nat(600_000),
      waitMs: fc.nat(20_000),
    });
    fc.assert(
      fc.property(fc.array(load, { maxLength: 10 }), fc.constantFrom(100, 5 * minuteMs), (loads, flushIntervalMs) => {
        const tuner = new PrefetchTuner(flushIntervalMs, 50_000);
        let nowMs = 0;
        let current = tuner.current;
        for (const [set, { messages, events, flightMs, waitMs }] of loads.entries()) {
          tuner.settle(set, nowMs);
          deliver(tuner, messages, events);
          nowMs += waitMs;
          tuner.settle(undefined, nowMs + flightMs);
          const prefetch = tuner.tune(nowMs);
          if (prefetch !== undefined) expect(prefetch).toBeGreaterThan(current);
          current = prefetch ?? current;
          expect(tuner.current).toBe(current);
          expect(current).toBeGreaterThanOrEqual(lowestPrefetch);
          expect(current).toBeLessThanOrEqual(highestPrefetch);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('has room for the set in flight, the next one, and half of both again', () => {
    const tuner = new PrefetchTuner(5 * minuteMs, 1_000_000);
    tuner.tune(0);
    deliver(tuner, 625, 10);
    // 62.5 messages and 625 events a second: an interval of 300 s ends before a million events have come.
    expect(tuner.tune(10_000)).toBe(3 * 62.5 * 300);
  });

  it('counts a set as over when it is full, before its interval is', () => {
    const tuner = new PrefetchTuner(5 * minuteMs, 50_000);
    tuner.tune(0);
    deliver(tuner, 10_000, 5);
    // 1,000 messages and 5,000 events a second fill a set in 10 s.
    expect(tuner.tune(10_000)).toBe(3 * 1_000 * 10);
  });

  it('grows with the longest flight, for that long the next set grows', () => {
    const tuner = new PrefetchTuner(1_000, 50_000);
    tuner.tune(0);
    tuner.settle(1, 0);
    tuner.settle(1, 30_000);
    tuner.settle(undefined, 60_000);
    tuner.settle(2, 60_000);
    tuner.settle(undefined, 61_000);
    deliver(tuner, 15_250, 1);
    expect(tuner.tune(61_000)).toBe(3 * 250 * 60);
  });

  it('stops at what the protocol can say', () => {
    const tuner = new PrefetchTuner(5 * minuteMs, 1_000_000_000);
    tuner.tune(0);
    deliver(tuner, 100_000, 1);
    expect(tuner.tune(5_000)).toBe(highestPrefetch);
    deliver(tuner, 100_000, 1);
    expect(tuner.tune(10_000)).toBeUndefined();
  });

  it('measures for five seconds before it decides, and idle time does not lower it', () => {
    const tuner = new PrefetchTuner(5 * minuteMs, 50_000);
    tuner.tune(0);
    deliver(tuner, 10_000, 1);
    expect(tuner.tune(4_999)).toBeUndefined();
    const grown = tuner.tune(5_000);
    expect(grown).toBeGreaterThan(lowestPrefetch);
    expect(tuner.tune(50_000)).toBeUndefined();
    expect(tuner.current).toBe(grown);
  });
});
