import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClockOffset } from './clock-offset.ts';
import { climbed, localLease } from './limiter.ts';
import { leaseSlots, spacingUs } from './slots.ts';

/**
 * A cluster in true time: consumers with clocks of their own that drift, requests and answers that take their time, and
 * calls that start at the worst permitted moments. Returns when calls started, in true milliseconds.
 */
interface Cluster {
  readonly ratePerS: number;
  readonly consumers: readonly { readonly clockMs: number; readonly driftPpm: number; readonly busy: boolean }[];
  /** Milliseconds a request or an answer takes, drawn in turn. */
  readonly delaysMs: readonly number[];
  /** Where in its tolerance a call starts, 0 to 1, drawn in turn. */
  readonly lateness: readonly number[];
}

const lengthMs = 2_500;
const redisEpochMs = 1_760_000_000_000;

function callsOf({ ratePerS, consumers, delaysMs, lateness }: Cluster): number[] {
  const spacing = spacingUs(ratePerS);
  const nextDelay = cycle(delaysMs);
  const nextLateness = cycle(lateness);
  const started: number[] = [];
  const known = new Map<object, ClockOffset>();
  const events: { atMs: number; run: () => void }[] = [];
  const at = (atMs: number, run: () => void): void => void (atMs < lengthMs && events.push({ atMs, run }));
  let nextUs = 0;

  for (const consumer of consumers) {
    const factor = 1 + consumer.driftPpm / 1e6;
    const toLocal = (trueMs: number): number => consumer.clockMs + trueMs * factor;
    const toTrue = (localMs: number): number => (localMs - consumer.clockMs) / factor;
    const ask = (askedAtMs: number): void => {
      const servedAtMs = askedAtMs + nextDelay();
      at(servedAtMs, () => {
        const nowUs = Math.floor((redisEpochMs + servedAtMs) * 1_000);
        const { answer, nextUs: remembered } = leaseSlots(nextUs, nowUs, 25, spacing);
        nextUs = remembered;
        const answeredAtMs = servedAtMs + nextDelay();
        at(answeredAtMs, () => {
          const exchange = {
            sentAtMs: toLocal(askedAtMs),
            receivedAtMs: toLocal(answeredAtMs),
            remoteMs: nowUs / 1_000,
          };
          const { lease, offset } = localLease(answer, exchange, known.get(consumer), spacing);
          known.set(consumer, offset);
          if ('waitMs' in lease) return at(answeredAtMs + lease.waitMs, () => ask(answeredAtMs + lease.waitMs));
          for (const slotAtMs of lease.slotsAtMs) {
            const startMs = toTrue(slotAtMs + nextLateness() * lease.toleranceMs);
            if (startMs >= answeredAtMs && startMs < lengthMs) started.push(startMs);
          }
          const againMs = answeredAtMs + (consumer.busy ? 1 : 400);
          at(againMs, () => ask(againMs));
        });
      });
    };
    at(0, () => ask(0));
  }
  for (;;) {
    let first = 0;
    for (let index = 1; index < events.length; index++) if (events[index]!.atMs < events[first]!.atMs) first = index;
    const [event] = events.splice(first, 1);
    if (event === undefined) return started.sort((a, b) => a - b);
    event.run();
  }
}

function cycle(values: readonly number[]): () => number {
  let index = 0;
  return () => values[index++ % values.length]!;
}

function mostInOneSecond(started: readonly number[]): number {
  let most = 0;
  let first = 0;
  for (let last = 0; last < started.length; last++) {
    while (started[last]! - started[first]! >= 1_000) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

const clusters = fc.record({
  ratePerS: fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.constantFrom(1, 25, 100, 1_000, 2_000)),
  consumers: fc.array(
    fc.record({
      clockMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
      driftPpm: fc.integer({ min: -400, max: 400 }),
      busy: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  delaysMs: fc.array(
    fc.oneof(fc.double({ min: 0, max: 3, noNaN: true }), fc.double({ min: 0, max: 60, noNaN: true })),
    {
      minLength: 1,
      maxLength: 40,
    },
  ),
  lateness: fc.array(fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })), {
    minLength: 1,
    maxLength: 40,
  }),
});

describe('a cluster that starts calls in its slots', () => {
  it('starts in no sliding second more than the limit, whatever clocks, network and timers do', () => {
    fc.assert(
      fc.property(clusters, (cluster) => {
        expect(mostInOneSecond(callsOf(cluster))).toBeLessThanOrEqual(cluster.ratePerS);
      }),
      { numRuns: 300 },
    );
  });

  it.each([1, 25, 1_000, 2_000])('uses at least 94 %% of a limit of %i while there is enough to do', (ratePerS) => {
    const consumer = { clockMs: 5_000, driftPpm: 50, busy: true };
    const started = callsOf({
      ratePerS,
      consumers: [consumer, { ...consumer, clockMs: 77 }, { ...consumer, driftPpm: -80 }],
      delaysMs: [0.2, 0.5, 1.5, 0.3],
      lateness: [0, 0.3, 0.1],
    });
    expect(started.length).toBeGreaterThanOrEqual(Math.floor((0.94 * ratePerS * (lengthMs - 50)) / 1_000));
  });

  it('starts no call before its slot, and none later than 30 ms after it', () => {
    // Redis' clock is 49,990 to 50,000 ms ahead of ours: its 50,020 is 20 to 30 here.
    const answer = { nowUs: 50_000_000, firstUs: 50_020_000, count: 2 };
    const { lease } = localLease(answer, { sentAtMs: 0, receivedAtMs: 10, remoteMs: 50_000 }, undefined, 5_000);
    expect(lease).toEqual({ slotsAtMs: [30, 35], toleranceMs: 20 });
  });

  it('starts nothing in slots that it cannot place on its own clock', () => {
    const answer = { nowUs: 50_000_000, firstUs: 50_000_000, count: 5 };
    const exchange = { sentAtMs: 0, receivedAtMs: 29, remoteMs: 50_000 };
    expect(localLease(answer, exchange, undefined, 1_031).lease).toHaveProperty('waitMs');
  });
});

describe('a rate that was told a while ago', () => {
  const told = { pace: 0.5, perS: 500, lowered: { atMs: 7, reason: 'global-rate' } };
  it.each([
    [0, { ...told }],
    [2_000, { ...told }],
    [7_000, { ...told, pace: 0.5 * Math.SQRT2, perS: 500 * Math.SQRT2 }],
    [12_000, { ...told, pace: 1, perS: 1_000 }],
    [119_999, { ...told, pace: 1, perS: 1_000 }],
    [120_000, { pace: 1, perS: 1_000, lowered: undefined }],
  ])('has climbed by itself: %i ms', (elapsedMs, rate) => {
    const now = climbed(told, elapsedMs);
    expect(now).toEqual({ ...rate, pace: expect.closeTo(rate.pace, 9), perS: expect.closeTo(rate.perS, 6) });
  });
});
