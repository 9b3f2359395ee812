import { type CustomerTrouble, noRates, type Profile } from './profile.ts';
import type { Random } from '../time/random.ts';

/**
 * Customers whose every call fails, or finds its lane locked, all the time: one, or many at once, some with a meter whose events are not
 * merged. The others are billed all the same, within a few flush intervals as long as nothing else is wrong. The provider's clock
 * is behind now and then, so that usage of just now is of its future.
 */
export function brokenCustomers(base: Profile, random: Random): Profile {
  const { leaseMs } = base;
  const flushIntervalMs = leaseMs * random.pick([0.1, 0.3]);
  const isAlone = random.chance(0.6);
  const troubles: readonly CustomerTrouble[] = ['locked', 'failing', 'billed_and_failing', 'silent'];
  const alike = random.chance(0.5) ? [random.pick(troubles)] : troubles;
  const broken = Array.from({ length: random.pick([1, 2, 10]) }, (_, index) => ({
    name: `cus_broken_${index}`,
    refusedFromMs: Number.POSITIVE_INFINITY,
    trouble: random.pick(alike),
  }));
  const formula = random.pick(['sum', 'count'] as const);
  const keys = { customerKey: 'stripe_customer_id', valueKey: 'value' };
  return {
    ...base,
    prefetchMin: 4000,
    consumers: isAlone ? 1 : base.consumers,
    customers: [
      ...Array.from({ length: random.integer(2, 5) }, (_, index) => ({
        name: `cus_${index}`,
        refusedFromMs: Number.POSITIVE_INFINITY,
      })),
      ...broken,
    ],
    meters: [{ meter: { eventName: 'requests', formula, ...keys }, createdAtMs: 0 }],
    connected: random.pick([0, 0.2]),
    requests: random.integer(40, 120),
    flushEvents: random.pick([1, 10, 1000]),
    // Whatever waits goes into the next set. Many small ones take their time, which is no standstill.
    set: { each: 1000, bytes: 1_000_000 },
    flushIntervalMs,
    prefetchMax: 65_535,
    brokerLatencyMs: 2,
    mailboxMs: 0,
    ratePerS: 1000,
    connectedRatePerS: 1000,
    concurrency: 64,
    breakerFailures: random.pick([2, 5, 1000]),
    callTimeoutMs: Math.round(0.15 * leaseMs),
    providerLatencyMs: 0.01 * leaseMs,
    providerAheadMs: random.pick([300_000, 300_000, -0.3 * leaseMs]),
    drive: {
      ...base.drive,
      makeWayAfterMs: 0.1 * leaseMs,
      deferTail: { lanes: 100, afterMs: 0.3 * leaseMs },
      deferredMax: random.pick([20 * (broken.length + 1), 1000]),
      floodMin: 3,
      closedMax: 1000,
      retry: { baseMs: leaseMs / 50, maxMs: leaseMs / 5 },
    },
    activeMs: leaseMs * random.between(6, 10),
    ...(isAlone ? { isSoonBilled: true } : {}),
    hesitation: isAlone ? 0 : base.hesitation,
    rates: isAlone ? noRates : { ...noRates, redisRequestFails: 0.01 },
    faults: isAlone ? {} : { consumer_crash: 3 * leaseMs, provider_outage: 4 * leaseMs, consumer_leave: 5 * leaseMs },
  };
}
