import { brokenCustomers } from './broken-customers.ts';
import { withCoincidence } from './coincidences.ts';
import {
  clocks,
  drawSpool,
  duplicates,
  leases,
  longAmbiguousOutage,
  longOutage,
  providerRates,
  redisLoss,
  remadeMeters,
  spool,
} from './directed-profiles.ts';
import type { Meter } from '../../../../services/consumer/src/provider/provider.ts';
import {
  faultKinds,
  noRates,
  type Profile,
  profileNames,
  type SimulatedCustomer,
  type SimulatedMeter,
} from './profile.ts';
import type { Random } from '../time/random.ts';

/** A cluster that is drawn from the random source, and the trouble of one kind that it gets. */
export function drawProfile(random: Random): Profile {
  return withCoincidence(drawKind(random), random);
}

function drawKind(random: Random): Profile {
  const base = drawBase(random);
  const { leaseMs } = base;
  const each = (leases: number): number => leaseMs * leases;
  const little = random.between(0.002, 0.02);
  switch (base.name) {
    case 'calm':
      return { ...base, hesitation: 0 };
    case 'crashes':
      return { ...base, faults: { consumer_crash: each(1), publisher_crash: each(3) } };
    case 'freezes':
      return { ...base, faults: { consumer_freeze: each(1), publisher_freeze: each(3) } };
    case 'lost_answers':
      return {
        ...base,
        rates: { ...noRates, redisRequestFails: random.between(0.01, 0.1), refusedPublish: little, slow: 0.3 },
        faults: { redis_cut: each(2), redis_stall: each(2), redis_restart: each(5) },
      };
    case 'leases':
      return leases(base, random);
    case 'redis_loss':
      return redisLoss(base, random);
    case 'redelivery':
      return {
        ...base,
        rates: { ...noRates, refusedPublish: little, redisRequestFails: little },
        faults: {
          broker_link_cut: each(1),
          channel_lost: each(1),
          broker_restart: each(5),
          broker_power_loss: each(4),
          binding_missing: each(2),
          unreadable_message: each(3),
        },
      };
    case 'provider_trouble':
      return {
        ...base,
        rates: { ...providerRates(random), redisRequestFails: little },
        faults: { provider_outage: each(2), consumer_crash: each(4) },
      };
    case 'long_outage':
      return longOutage(base, random);
    case 'duplicates':
      return duplicates(base, random);
    case 'clocks':
      return clocks(base, random);
    case 'spool':
      return spool(base, random);
    case 'members':
      return {
        ...base,
        rates: { ...noRates, redisRequestFails: random.chance(0.5) ? 0 : little },
        faults: { consumer_leave: each(1), consumer_join: each(1.5), consumer_crash: each(6) },
      };
    case 'rollout':
      return {
        ...base,
        formatSwitchMs: each(random.between(0.2, 1.5)),
        rates: { ...noRates, redisRequestFails: little },
        faults: {
          consumer_leave: each(0.7),
          consumer_join: each(1.5),
          consumer_crash: each(2),
          consumer_freeze: each(3),
        },
      };
    case 'accounts':
      return {
        ...base,
        connected: random.between(0.2, 0.8),
        rates: { ...noRates, throttled: random.chance(0.5) ? 0 : 0.1, redisRequestFails: little },
        faults: {
          account_revoked: each(1),
          meters_unlisted: each(2),
          consumer_crash: each(3),
          provider_outage: each(8),
        },
      };
    case 'meters':
      return remadeMeters(base, random);
    case 'windows':
      return {
        ...base,
        windowMaxMs: base.windowMs * random.pick([2, 4, 8]),
        rates: { ...noRates, redisRequestFails: little },
        faults: { windows_change: each(0.3), consumer_crash: each(2), channel_lost: each(2), consumer_freeze: each(3) },
      };
    case 'long_ambiguous_outage':
      return longAmbiguousOutage(base, random);
    case 'broken_customers':
      return brokenCustomers(base, random);
    case 'storm':
      return {
        ...base,
        rates: {
          ...providerRates(random),
          redisRequestFails: little,
          commitLate: little,
          renewalLost: little,
          refusedPublish: little,
        },
        ...(random.chance(0.5) ? {} : { spool: drawSpool(base, random) }),
        faults: Object.fromEntries(stormKinds.map((kind) => [kind, each(random.between(3, 10))])),
      };
  }
}

/** What Redis loses changes what may be billed, so it has a profile of its own, as have days. */
const stormKinds = faultKinds.filter((kind) => kind !== 'redis_loses_writes' && kind !== 'publisher_left_behind');

function drawBase(random: Random): Profile {
  const name = random.pick(profileNames);
  const leaseMs = random.pick([1000, 2000, 5000, 10_000]);
  const callTimeoutMs = Math.round(leaseMs * random.between(0.15, 0.5));
  const activeMs = leaseMs * random.between(3, 5);
  const dedupWindowMs = leaseMs * random.between(2, 20);
  const heartbeatMs = leaseMs * random.between(0.3, 2);
  const windowMs = random.pick([1000, 5000, 60_000]);
  const prefetchMax = random.pick([65_535, 65_535, 65_535, 20, 3]);
  const prefetchMin = prefetchMax > 20 && random.chance(0.3) ? random.pick([2, 8]) : undefined;
  // With few outstanding messages sets are sealed by their age only: then it must be short, or a backlog never ends.
  const flushIntervalMs = leaseMs * (prefetchMax > 20 ? random.pick([0.05, 0.2, 0.5, 1]) : 0.05);
  const flushEvents = random.pick([3, 10, 1000]);
  // A rate that 429s have lowered is whole again within a minute.
  const settleMs = 16 * leaseMs + 4 * flushIntervalMs + 60_000;
  const epochMs = 1_790_000_000_000 + random.integer(0, 86_400_000);
  return {
    name,
    epochMs,
    incarnation: random.hex(4),
    shards: random.integer(2, 4),
    consumers: random.integer(1, 3),
    publishers: random.integer(1, 2),
    leaseMs,
    drainMs: leaseMs * random.between(1, 3),
    tickMs: leaseMs / 25,
    callTimeoutMs,
    windowMs,
    windowMaxMs: windowMs,
    flushEvents,
    // Sets that are full before they are due.
    ...(flushEvents === 10 ? { set: { each: 4, bytes: 3_000 } } : {}),
    flushIntervalMs,
    dedupWindowMs,
    dedupMaxIds: 4_000_000,
    strandedMs: 3 * heartbeatMs,
    drive: {
      inDoubtAfterMs: 23 * 3_600_000,
      deferAfterFailures: random.integer(2, 5),
      makeWayAfterMs: leaseMs * random.pick([0.1, 0.5]),
      deferTail: { lanes: random.pick([0, 1, 10]), afterMs: leaseMs * random.pick([0.5, 4]) },
      deferredMax: random.pick([0, 1, 1000]),
      floodMin: random.pick([1, 3, 1000]),
      closedMax: random.pick([0, 3, 1000]),
      aheadMs: 300_000,
      earlyMaxMs: 86_400_000,
      replaysMax: 3,
      deferredRetry: { baseMs: leaseMs / 2, maxMs: 2 * leaseMs },
      retry: { baseMs: leaseMs / 50, maxMs: leaseMs },
    },
    concurrency: random.integer(1, 16),
    ratePerS: random.pick([20, 100, 1000]),
    connectedRatePerS: random.pick([20, 100]),
    connected: 0.1,
    ...drawRefused(epochMs),
    breakerFailures: random.pick([3, 1000]),
    breakerResetMs: leaseMs / 5,
    catalogPaceMs: leaseMs / 4,
    catalogMaxAgeMs: 900_000,
    oldListMs: 0,
    brokerLatencyMs: random.pick([2, 30, leaseMs / 10]),
    syncMs: random.pick([1, 50]),
    ackFlushMs: Number.POSITIVE_INFINITY,
    prefetchMax,
    ...(prefetchMin === undefined ? {} : { prefetchMin }),
    deliveryGapMs: random.pick([1e-6, leaseMs / 1000, leaseMs / 100]),
    heartbeatMs,
    reconnectMs: random.between(30, leaseMs / 2),
    brokerAwayMs: { least: 0, most: 3 * leaseMs },
    publisherAwayMs: { least: 0, most: leaseMs },
    mailboxMs: random.pick([0, 5, leaseMs / 20]),
    redisLatencyMs: random.between(1, 12),
    redisTimeoutMs: leaseMs / 2,
    providerLatencyMs: callTimeoutMs * random.between(0.02, 0.3),
    providerMemoryMs: 24 * 3_600_000,
    providerAheadMs: 300_000,
    publishExpiryMs: Math.min(dedupWindowMs / 4, leaseMs * 3),
    messageEventsMax: random.pick([2, 500]),
    clockSkewMs: random.pick([0, heartbeatMs / 4]),
    customers: drawCustomers(random, activeMs),
    meters: drawMeters(random, activeMs),
    requests: random.integer(10, 40),
    repeats: random.between(0, 0.3),
    activeMs,
    settleMs,
    longestFreezeMs: 3 * leaseMs,
    outageMs: { least: 0, most: 2 * leaseMs },
    hesitation: 0.01,
    rates: noRates,
    faults: {},
  };
}

/** By what is drawn already, so that the seeds stay what they were. In some a meter is misspelt all the time. */
function drawRefused(epochMs: number): Pick<Profile, 'refusedApartMax' | 'parkedMax' | 'misspelt'> {
  const parkedMax = [0, 2, 1000][Math.floor(epochMs / 15) % 3] ?? 0;
  if (Math.floor(epochMs / 3) % 5 === 0) return { refusedApartMax: 0, parkedMax, misspelt: 0.6 };
  return { refusedApartMax: [0, 2, 1000][epochMs % 3] ?? 0, parkedMax, misspelt: 0.03 };
}

function drawCustomers(random: Random, activeMs: number): SimulatedCustomer[] {
  const customers = Array.from({ length: random.integer(1, 4) }, (_, index) => ({
    name: `cus_${index}`,
    refusedFromMs: Number.POSITIVE_INFINITY,
  }));
  if (random.chance(0.1)) customers.push({ name: 'cus_unknown', refusedFromMs: 0 });
  if (random.chance(0.2)) customers.push({ name: 'cus_closed', refusedFromMs: random.between(0, activeMs) });
  return customers;
}

function drawMeters(random: Random, activeMs: number): SimulatedMeter[] {
  const meter = (eventName: string, formula: Meter['formula']): Meter => {
    return { id: `mtr_${eventName}`, eventName, formula, customerKey: 'stripe_customer_id', valueKey: 'value' };
  };
  const meters: SimulatedMeter[] = [{ meter: meter('requests', 'sum'), createdAtMs: 0 }];
  if (random.chance(0.6)) meters.push({ meter: meter('tokens', 'sum'), createdAtMs: 0 });
  if (random.chance(0.3)) meters.push({ meter: meter('seats', 'last'), createdAtMs: 0 });
  if (random.chance(0.3)) meters.push({ meter: meter('jobs', 'count'), createdAtMs: 0 });
  if (random.chance(0.1)) meters.push({ meter: { ...meter('peak', 'sum'), eventTimeWindow: 'day' }, createdAtMs: 0 });
  if (random.chance(0.3)) meters.push({ meter: meter('launched', 'sum'), createdAtMs: random.between(0, activeMs) });
  if (random.chance(0.2)) meters.push({ meter: meter('internal', 'sum'), createdAtMs: 0, isOnlyPlatforms: true });
  return meters;
}
