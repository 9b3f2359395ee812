import { type CoincidenceName, coincidenceNames, noRates, type Profile, type ProfileName } from './profile.ts';
import type { Random } from '../time/random.ts';

/**
 * What takes several things at a time, each of which chance brings often enough, but not together: a rule that is only for that
 * would be tried once in thousands of seeds. A part of a profile's seeds is made full of it; the others stay what they are.
 */
interface Coincidence {
  readonly of: ProfileName;
  readonly made: (profile: Profile, random: Random) => Profile;
}

/** Of the seeds of its profile. */
const part = 0.2;

export function withCoincidence(profile: Profile, random: Random): Profile {
  const ofProfile = coincidenceNames.filter((name) => coincidences[name].of === profile.name);
  const name = ofProfile[Math.floor(random.number() / part)];
  return name === undefined ? profile : { ...coincidences[name].made(profile, random), coincidence: name };
}

/** Usage may be billed already when its list of meters is gone for whoever takes over, and there is no room for all of it. */
function sentAndUnlisted(profile: Profile): Profile {
  const { leaseMs } = profile;
  return {
    ...profile,
    consumers: 1,
    connected: 0.9,
    requests: 3 * profile.requests,
    flushEvents: 30,
    flushIntervalMs: 0.2 * leaseMs,
    ratePerS: 1000,
    connectedRatePerS: 1000,
    concurrency: 16,
    breakerFailures: 1000,
    drive: { ...profile.drive, closedMax: 3, deferAfterFailures: 100 },
    activeMs: 2 * profile.activeMs,
    outageMs: { least: leaseMs, most: 2 * leaseMs },
    rates: { ...profile.rates, throttled: 0, replyLost: 0.8 },
    faults: { account_revoked: leaseMs, meters_unlisted: 2 * leaseMs, consumer_crash: leaseMs },
  };
}

/** An owner cannot renew its lease, but has slots for calls, which last as long as the product lets them. */
function noRenewal(profile: Profile): Profile {
  const { leaseMs } = profile;
  return {
    ...profile,
    callTimeoutMs: Math.floor(0.65 * leaseMs),
    ratePerS: 100,
    concurrency: 16,
    redisTimeoutMs: leaseMs / 2,
    flushIntervalMs: 0.2 * leaseMs,
    rates: { ...profile.rates, slow: 0.9, renewalLost: 0.7 },
    faults: {},
  };
}

/** An older version begins when the newer format is written already, among owners that come and go with sets on their way. */
function lateRollback(profile: Profile, random: Random): Profile {
  const { leaseMs } = profile;
  return {
    ...profile,
    isRolledBackLate: true,
    formatSwitchMs: leaseMs * random.between(0.1, 0.3),
    requests: 2 * profile.requests,
    flushEvents: random.pick([1, 10]),
    rates: { ...profile.rates, slow: 0.3 },
    faults: { consumer_leave: leaseMs / 2, consumer_crash: leaseMs / 2, consumer_join: leaseMs },
  };
}

/** Commits reach Redis when somebody else has the lease, and commits as well. */
function lateCommits(profile: Profile, random: Random): Profile {
  const { leaseMs } = profile;
  return {
    ...profile,
    consumers: random.integer(2, 3),
    requests: 2 * profile.requests,
    flushEvents: random.pick([1, 10]),
    flushIntervalMs: 0.1 * leaseMs,
    brokerLatencyMs: 2,
    mailboxMs: 0,
    rates: { ...noRates, commitLate: 0.3 },
  };
}

/** Claims reach Redis when their owner has the shard by a later one: its epoch is over, and it does not know. */
function lateClaims(profile: Profile, random: Random): Profile {
  const { leaseMs } = profile;
  return {
    ...profile,
    consumers: random.integer(2, 3),
    requests: 3 * profile.requests,
    flushEvents: 1,
    flushIntervalMs: 0.03 * leaseMs,
    brokerLatencyMs: 2,
    mailboxMs: 0,
    rates: { ...profile.rates, redisRequestFails: 0.2 },
    faults: { redis_cut: leaseMs, consumer_leave: leaseMs / 2 },
  };
}

/** Deliveries are looked at when their channel is gone and another one is open. */
function lateDeliveries(profile: Profile, random: Random): Profile {
  const { leaseMs } = profile;
  return {
    ...profile,
    mailboxMs: leaseMs * random.between(0.05, 0.3),
    brokerLatencyMs: 2,
    requests: 2 * profile.requests,
    flushEvents: random.pick([1, 10]),
    faults: { ...profile.faults, channel_lost: leaseMs / 4 },
  };
}

/** The broker keeps messages for a machine that is gone, for longer than ids are remembered. */
function strandedMessages(profile: Profile, random: Random): Profile {
  const { leaseMs } = profile;
  const heartbeatMs = 3 * leaseMs;
  return {
    ...profile,
    heartbeatMs,
    strandedMs: 3 * heartbeatMs,
    dedupWindowMs: leaseMs * random.between(0.5, 1),
    repeats: 0.9,
    flushEvents: 3,
    requests: 2 * profile.requests,
    rates: noRates,
    faults: { consumer_crash: leaseMs, consumer_freeze: 2 * leaseMs },
  };
}

/** A customer that fails has more entries than there is room for. */
function flood(profile: Profile, random: Random): Profile {
  const served = profile.customers.filter(({ trouble }) => trouble === undefined).slice(0, 2);
  const broken = profile.customers.filter(({ trouble }) => trouble !== undefined).slice(0, random.integer(1, 2));
  return {
    ...profile,
    customers: [...served, ...broken],
    // Its events are not merged.
    meters: profile.meters.map((simulated) => ({ ...simulated, meter: { ...simulated.meter, formula: 'count' } })),
    requests: 100,
    drive: { ...profile.drive, deferredMax: 20 * (broken.length + 1) },
  };
}

/** So many customers fail that some shards have only those, and tries of a breaker that is half open are lost on them. */
function wastedProbes(profile: Profile): Profile {
  const { leaseMs } = profile;
  const broken = 20;
  const customer = (name: string) => ({ name, refusedFromMs: Number.POSITIVE_INFINITY });
  const failing = (_: unknown, index: number) => ({ ...customer(`cus_broken_${index}`), trouble: 'silent' as const });
  return {
    ...profile,
    consumers: 1,
    shards: 4,
    customers: [customer('cus_0'), customer('cus_1'), ...Array.from({ length: broken }, failing)],
    connected: 0,
    requests: 120,
    flushEvents: 10,
    flushIntervalMs: 0.1 * leaseMs,
    breakerFailures: 2,
    drive: { ...profile.drive, deferredMax: 20 * (broken + 1) },
    activeMs: 12 * leaseMs,
    isSoonBilled: true,
    hesitation: 0,
    rates: noRates,
    faults: {},
  };
}

/** Sets stay open while a name gets another meter. */
function openAtChange(profile: Profile): Profile {
  return { ...profile, flushEvents: 1000, flushIntervalMs: profile.leaseMs };
}

const coincidences: { readonly [Name in CoincidenceName]: Coincidence } = {
  sent_and_unlisted: { of: 'accounts', made: sentAndUnlisted },
  no_renewal: { of: 'leases', made: noRenewal },
  late_rollback: { of: 'rollout', made: lateRollback },
  late_commits: { of: 'lost_answers', made: lateCommits },
  late_claims: { of: 'lost_answers', made: lateClaims },
  late_deliveries: { of: 'redelivery', made: lateDeliveries },
  stranded_messages: { of: 'duplicates', made: strandedMessages },
  flood: { of: 'broken_customers', made: flood },
  wasted_probes: { of: 'broken_customers', made: wastedProbes },
  open_at_change: { of: 'meters', made: openAtChange },
};
