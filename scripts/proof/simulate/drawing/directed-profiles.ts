import type { Meter } from '../../../../services/consumer/src/provider/provider.ts';
import { noRates, remadeMeter, type Profile, type Rates, type SimulatedSpool } from './profile.ts';
import type { Random } from '../time/random.ts';

/** Trouble that chance alone would bring too seldom: each makes a profile of a drawn cluster. */

/**
 * A provider that fails for longer than it remembers identifiers. Its day and ours are scaled down together: an hour
 * is a little more than whatever a call can be late, or a process that is about to send can sleep.
 */
export function longOutage(base: Profile, random: Random): Profile {
  const hourMs = 3 * base.callTimeoutMs;
  const drive = { ...base.drive, inDoubtAfterMs: 23 * hourMs, deferAfterFailures: random.integer(2, 5) };
  return {
    ...base,
    requests: Math.ceil(base.requests / 3),
    activeMs: hourMs * random.between(30, 40),
    longestFreezeMs: hourMs / 3,
    outageMs: { least: 20 * hourMs, most: 28 * hourMs },
    drive,
    providerMemoryMs: 24 * hourMs,
    rates: { ...providerRates(random), redisRequestFails: 0.001 },
    faults: {
      provider_outage: 8 * hourMs,
      consumer_crash: 10 * hourMs,
      consumer_freeze: 10 * hourMs,
      all_consumers_crash: 40 * hourMs,
    },
  };
}

/**
 * For 30 hours most calls end without a certain answer, some of them counted all the same, while consumers come and go: at the end
 * every entry is settled once, dead, or in doubt with a reason, and in doubt only if it was attempted.
 */
export function longAmbiguousOutage(base: Profile, random: Random): Profile {
  const outage = longOutage(base, random);
  const hourMs = 3 * base.callTimeoutMs;
  return {
    ...outage,
    name: 'long_ambiguous_outage',
    connected: 0.3,
    activeMs: hourMs * 36,
    outageMs: { least: 30 * hourMs, most: 30 * hourMs },
    rates: {
      ...noRates,
      requestLost: 0.1,
      replyLost: 0.2,
      failedBefore: 0.1,
      failedAfter: 0.2,
      unsent: 0.05,
      redisRequestFails: 0.001,
    },
    faults: { ...outage.faults, provider_outage: 3 * hourMs, account_revoked: 15 * hourMs },
  };
}

/**
 * A broker that is away for longer than records are replayed and cursors kept: days of ours, scaled down. What is under way for long
 * without a new look at its age (a frozen sidecar, a stalled connection) stays below the five days between the two.
 */
export function spool(base: Profile, random: Random): Profile {
  const { leaseMs } = base;
  const dayMs = leaseMs * 0.2;
  const keeps = drawSpool(base, random);
  const isLong = random.chance(0.5);
  const away = (days: number) => ({ least: isLong ? days * dayMs : 0, most: (isLong ? 46 : 5) * dayMs });
  return {
    ...base,
    heartbeatMs: 0.3 * leaseMs,
    strandedMs: 0.9 * leaseMs,
    settleMs: 2 * base.settleMs,
    repeats: random.pick([0, 0.5]),
    // A broker that answers so late that messages go to the spool as well: then they come twice.
    brokerLatencyMs: leaseMs * random.pick([0.002, 0.1]),
    spool: { ...keeps, limits: { ...keeps.limits, ageMaxMs: 35 * dayMs } },
    cursorLifeMs: 40 * dayMs,
    ackFlushMs: dayMs,
    clockSkewMs: Math.min(base.clockSkewMs, dayMs / 4),
    flushEvents: random.pick([2, 10]),
    activeMs: (isLong ? 60 * dayMs : 0) + leaseMs * random.between(5, 15),
    publishers: isLong ? 3 : base.publishers,
    brokerAwayMs: away(20),
    publisherAwayMs: away(41),
    rates: { ...noRates, refusedPublish: random.pick([0, 0.05]), redisRequestFails: 0.001 },
    faults: {
      broker_away: (isLong ? 30 : 8) * leaseMs,
      publisher_crash: (isLong ? 20 : 3) * leaseMs,
      ...(isLong ? { publisher_left_behind: 5 * leaseMs } : {}),
      disk_full: 10 * leaseMs,
      broker_link_cut: (isLong ? 15 : 3) * leaseMs,
      broker_power_loss: 20 * leaseMs,
      binding_missing: 10 * leaseMs,
      clock_jump: 5 * leaseMs,
      consumer_crash: (isLong ? 20 : 8) * leaseMs,
      all_consumers_crash: 20 * leaseMs,
    },
  };
}

/** So small that segments end and begin, and now and then so small that it is full. */
export function drawSpool({ leaseMs }: Profile, random: Random): SimulatedSpool {
  return {
    bytes: random.pick([20_000, 1_000_000]),
    slowMs: leaseMs * random.pick([0.05, 0.2]),
    limits: {
      segmentBytes: random.pick([500, 3_000]),
      reserveBytes: 8_000,
      commitBytesMax: 4_000,
      readBytes: random.pick([300, 100_000]),
      windowBytesMax: 5_000,
      inFlightMax: random.pick([2, 256]),
      writePauseMs: leaseMs / 10,
      saveIntervalMs: leaseMs * random.pick([0.05, 0.5]),
    },
  };
}

/** Sets that take long to drive, while Redis answers late and owners lose their leases in the middle. */
export function leases(base: Profile, random: Random): Profile {
  const { leaseMs } = base;
  return {
    ...base,
    consumers: random.integer(2, 3),
    prefetchMax: 65_535,
    shards: 2,
    callTimeoutMs: Math.round(leaseMs * random.between(0.3, 0.5)),
    providerLatencyMs: leaseMs * random.between(0.02, 0.1),
    requests: 3 * base.requests,
    flushEvents: 1000,
    flushIntervalMs: 0.6 * leaseMs,
    windowMs: 1000,
    ratePerS: 20,
    concurrency: random.integer(1, 4),
    activeMs: leaseMs * random.between(3, 6),
    settleMs: 2 * base.settleMs,
    redisTimeoutMs: leaseMs,
    rates: { ...noRates, slow: 0.5, redisRequestFails: random.pick([0, 0.02]) },
    faults: { redis_stall: leaseMs / 2, redis_cut: 2 * leaseMs, consumer_freeze: 6 * leaseMs },
  };
}

/**
 * Redis comes back without its last writes, or without anything. Nobody crashes: a consumer that has seen what is lost is what
 * notices it (invariant 8).
 */
export function redisLoss(base: Profile, random: Random): Profile {
  const { leaseMs } = base;
  return {
    ...base,
    consumers: random.integer(1, 3),
    activeMs: leaseMs * random.between(4, 8),
    settleMs: 2 * base.settleMs,
    clockSkewMs: 0,
    rates: { ...noRates, redisRequestFails: random.pick([0, 0.01]), slow: random.pick([0, 0.3]) },
    faults: {
      redis_loses_writes: 4 * leaseMs,
      redis_cut: 6 * leaseMs,
      channel_lost: 4 * leaseMs,
      provider_outage: 6 * leaseMs,
    },
  };
}

/** Clients that repeat themselves within the dedup window and beyond it, and messages that come long after their time. */
export function duplicates(base: Profile, random: Random): Profile {
  const { leaseMs } = base;
  const heartbeatMs = leaseMs * random.pick([0.3, 1]);
  return {
    ...base,
    heartbeatMs,
    strandedMs: 3 * heartbeatMs,
    dedupWindowMs: leaseMs * random.between(0.5, 2),
    flushEvents: random.pick([3, 10]),
    repeats: 0.6,
    activeMs: leaseMs * random.between(6, 15),
    rates: { ...noRates, redisRequestFails: random.between(0.002, 0.02) },
    faults: {
      consumer_crash: 3 * leaseMs,
      all_consumers_crash: 8 * leaseMs,
      consumer_freeze: 2 * leaseMs,
      channel_lost: 3 * leaseMs,
      publisher_crash: 3 * leaseMs,
    },
  };
}

/**
 * Sidecars whose wall clocks are hours ahead or behind, and are set anew now and then, while clients repeat themselves. What
 * they say of the time when they accepted a message is clamped to Redis' clock, or ids would be forgotten hours too early.
 */
export function clocks(base: Profile, random: Random): Profile {
  const { leaseMs } = base;
  const heartbeatMs = 0.3 * leaseMs;
  return {
    ...base,
    heartbeatMs,
    strandedMs: 3 * heartbeatMs,
    clockSkewMs: random.between(1, 12) * 3_600_000,
    dedupWindowMs: leaseMs * random.between(4, 8),
    prefetchMax: 65_535,
    flushEvents: random.pick([2, 10]),
    flushIntervalMs: 0.2 * leaseMs,
    ratePerS: 1000,
    repeats: 0.6,
    activeMs: leaseMs * random.between(8, 15),
    rates: { ...noRates, redisRequestFails: random.pick([0, 0.01]) },
    faults: { clock_jump: 3 * leaseMs, publisher_crash: 4 * leaseMs, consumer_leave: 6 * leaseMs },
  };
}

/**
 * A meter that is archived, and its name given to one with another formula, which is archived in turn while the first comes back.
 * In between the name has no meter for longer than anybody keeps an old list, or for no time at all.
 */
export function remadeMeters(base: Profile, random: Random): Profile {
  const { leaseMs } = base;
  const catalogMaxAgeMs = leaseMs * random.pick([0.1, 0.5]);
  const changing = { ...base, catalogMaxAgeMs, providerLatencyMs: Math.min(base.providerLatencyMs, leaseMs / 50) };
  const hasGap = random.chance(0.6);
  const gapMs = hasGap ? oldListMs(changing) * random.between(1, 1.3) : 0;
  const usedMs = leaseMs * random.between(1, 3);
  const [before, after] = random.pick([
    ['sum', 'last'],
    ['last', 'sum'],
    ['sum', 'count'],
    ['last', 'count'],
    ['count', 'sum'],
    ['sum', 'sum'],
  ] as const);
  const named = (id: string, formula: Meter['formula']): Meter => ({
    id,
    eventName: remadeMeter,
    formula,
    customerKey: 'stripe_customer_id',
    valueKey: 'value',
  });
  const firstMs = leaseMs * random.between(1, 2);
  const backMs = firstMs + gapMs + usedMs + gapMs;
  return {
    ...changing,
    oldListMs: hasGap ? 0 : oldListMs(changing),
    activeMs: backMs + leaseMs * random.between(1, 2),
    requests: 2 * base.requests,
    customers: base.customers.slice(0, 2),
    meters: [
      ...base.meters.slice(0, 1),
      { meter: named('mtr_1', before), createdAtMs: 0, archived: { fromMs: firstMs, toMs: backMs } },
      {
        meter: named('mtr_2', after),
        createdAtMs: firstMs + gapMs,
        archived: { fromMs: firstMs + gapMs + usedMs, toMs: Number.POSITIVE_INFINITY },
      },
    ],
    rates: random.chance(0.5)
      ? noRates
      : { ...noRates, failedBefore: 0.1, failedAfter: 0.1, replyLost: 0.1, unsent: 0.1 },
    faults: {
      consumer_crash: 2 * leaseMs,
      consumer_leave: 4 * leaseMs,
      consumer_freeze: 4 * leaseMs,
      redis_cut: 6 * leaseMs,
    },
  };
}

/** How long after a change something may still arrive that was decided by a list from before it. */
function oldListMs({
  catalogMaxAgeMs,
  catalogPaceMs,
  leaseMs,
  callTimeoutMs,
  providerLatencyMs,
  tickMs,
}: Profile): number {
  // Its age, the read, a freeze that the lease outlives, and the call, which may be served for twice as long as it is waited for.
  return catalogMaxAgeMs + catalogPaceMs + leaseMs + 3 * callTimeoutMs + 5 * providerLatencyMs + 2 * tickMs + 300;
}

export function providerRates(random: Random): Rates {
  const some = (): number => (random.chance(0.5) ? 0 : random.between(0, 0.3));
  return {
    ...noRates,
    requestLost: some(),
    unsent: some(),
    replyLost: some(),
    failedBefore: some(),
    failedAfter: some(),
    throttled: some(),
    slow: some(),
  };
}
