import type { SetBounds } from '../../../../services/consumer/src/counting/open-set.ts';
import type { DriveLimits } from '../../../../services/consumer/src/lanes/drive-limits.ts';
import type { Meter } from '../../../../services/consumer/src/provider/provider.ts';
import type { SpoolLimits } from '../../../../services/publisher/src/spool/limits.ts';

/** Chances that one request, call or publish goes wrong. */
export interface Rates {
  readonly redisRequestFails: number;
  /** A commit reaches Redis long after it was sent: with all that comes after it, or when it was repeated over another connection. */
  readonly commitLate: number;
  /** A renewal is lost, and the connection with it. */
  readonly renewalLost: number;
  readonly refusedPublish: number;
  /** A call never reaches the provider. */
  readonly requestLost: number;
  readonly unsent: number;
  /** The provider's answer never arrives. */
  readonly replyLost: number;
  readonly failedBefore: number;
  /** 500, though it was billed. */
  readonly failedAfter: number;
  readonly throttled: number;
  readonly slow: number;
}

export const noRates: Rates = {
  redisRequestFails: 0,
  commitLate: 0,
  renewalLost: 0,
  refusedPublish: 0,
  requestLost: 0,
  unsent: 0,
  replyLost: 0,
  failedBefore: 0,
  failedAfter: 0,
  throttled: 0,
  slow: 0,
};

export const faultKinds = [
  'consumer_crash',
  'all_consumers_crash',
  'consumer_freeze',
  'consumer_leave',
  'consumer_join',
  'publisher_crash',
  'publisher_freeze',
  'publisher_left_behind',
  'clock_jump',
  'disk_full',
  'broker_link_cut',
  'broker_restart',
  'broker_power_loss',
  'broker_away',
  'channel_lost',
  'binding_missing',
  'unreadable_message',
  'redis_cut',
  'redis_stall',
  'redis_restart',
  'redis_loses_writes',
  'provider_outage',
  'account_revoked',
  'meters_unlisted',
  'windows_change',
] as const;

export type FaultKind = (typeof faultKinds)[number];

/** The one whose name gets another meter, where there is such a thing. */
export const remadeMeter = 'rated';

export interface SimulatedMeter {
  readonly meter: Meter;
  /** On the timeline. */
  readonly createdAtMs: number;
  /** In this time it takes no events, and its name may be another one's. */
  readonly archived?: { readonly fromMs: number; readonly toMs: number };
  /** Connected accounts do not have it. */
  readonly isOnlyPlatforms?: true;
}

export interface SimulatedCustomer {
  readonly name: string;
  /** Since when the provider refuses it, on the timeline. */
  readonly refusedFromMs: number;
  /** What every call for it comes to until the faults are over; absent: it is served. */
  readonly trouble?: CustomerTrouble;
}

/** 409; a 500, with or without an effect; no answer. */
export type CustomerTrouble = 'locked' | 'failing' | 'billed_and_failing' | 'silent';

export interface SimulatedSpool {
  readonly bytes: number;
  readonly slowMs: number;
  readonly limits: Partial<SpoolLimits>;
}

/** Everything that is decided about a run before it begins. Names that a core's limits have mean what they mean there. */
export interface Profile {
  readonly name: ProfileName;
  readonly coincidence?: CoincidenceName;
  /** Redis' clock when the timeline begins, unix milliseconds. */
  readonly epochMs: number;
  readonly incarnation: string;
  readonly shards: number;
  readonly consumers: number;
  readonly publishers: number;
  readonly leaseMs: number;
  readonly drainMs: number;
  readonly tickMs: number;
  readonly callTimeoutMs: number;
  readonly windowMs: number;
  /** Windows are coarsened up to this: a power of two times as long. */
  readonly windowMaxMs: number;
  readonly flushEvents: number;
  readonly set?: SetBounds;
  readonly flushIntervalMs: number;
  /** So many entries of a set that are dead from the start are kept apart. */
  readonly refusedApartMax: number;
  /** So many parked entries of a shard, and refused ones are added up by the day. */
  readonly parkedMax: number;
  /** Part of the usage whose meter there is not. */
  readonly misspelt: number;
  readonly dedupWindowMs: number;
  readonly dedupMaxIds: number;
  readonly strandedMs: number;
  /** Of the consumers' own tuning; absent: more messages than any run has. */
  readonly prefetchMin?: number;
  /** Absent: 40 days, longer than any run. */
  readonly cursorLifeMs?: number;
  /** A version that reads a newer journal format is rolled out: it is written once all have read it for so long. Absent: all are of it. */
  readonly formatSwitchMs?: number;
  /** It is rolled back in part even when the newer format is written, which the older version does not read. */
  readonly isRolledBackLate?: true;
  readonly drive: DriveLimits;
  readonly concurrency: number;
  readonly ratePerS: number;
  readonly connectedRatePerS: number;
  /** Part of the usage that is a connected account's. */
  readonly connected: number;
  readonly breakerFailures: number;
  readonly breakerResetMs: number;
  readonly catalogPaceMs: number;
  /** A list of meters is read again at this age. */
  readonly catalogMaxAgeMs: number;
  /** For so long after a name has got another meter entries may arrive that were decided by a list from before. */
  readonly oldListMs: number;
  readonly brokerLatencyMs: number;
  /** How long the broker takes to sync a message. */
  readonly syncMs: number;
  /** How long an ack may be in the broker's memory alone: a power loss undoes younger ones. */
  readonly ackFlushMs: number;
  readonly deliveryGapMs: number;
  /** The broker has no more than this outstanding, whatever prefetch a consumer asks for: then backlogs stay with it. */
  readonly prefetchMax: number;
  /** AMQP heartbeat: twice this without a word, and the broker gives a connection up. */
  readonly heartbeatMs: number;
  readonly reconnectMs: number;
  /** How long the broker is away when it is away for long. */
  readonly brokerAwayMs: { readonly least: number; readonly most: number };
  /** How long a sidecar is away that was killed. */
  readonly publisherAwayMs: { readonly least: number; readonly most: number };
  /** Deliveries wait for so long in a consumer before they are looked at, while other events overtake them. */
  readonly mailboxMs: number;
  readonly redisLatencyMs: number;
  readonly redisTimeoutMs: number;
  readonly providerLatencyMs: number;
  readonly providerMemoryMs: number;
  readonly publishExpiryMs: number;
  readonly messageEventsMax: number;
  /** How far ahead of Redis' clock the provider takes an event's time; less than nothing where its own clock is behind. */
  readonly providerAheadMs: number;
  /** Lanes that the provider serves have to be billed soon, whatever else happens. */
  readonly isSoonBilled?: true;
  /** How wrong a sidecar's wall clock may be, either way. */
  readonly clockSkewMs: number;
  /** Absent: sidecars have none. */
  readonly spool?: SimulatedSpool;
  readonly customers: readonly SimulatedCustomer[];
  readonly meters: readonly SimulatedMeter[];
  readonly requests: number;
  /** Part of the requests that is sent a second time on purpose. */
  readonly repeats: number;
  /** Clients send until then, faults end then. */
  readonly activeMs: number;
  /** Everything has to be settled within this after the faults. */
  readonly settleMs: number;
  readonly longestFreezeMs: number;
  readonly outageMs: { readonly least: number; readonly most: number };
  /** Chance that a process pauses between a decision and the socket's write. */
  readonly hesitation: number;
  readonly rates: Rates;
  /** Mean time between two faults of a kind; absent: never. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
}

export const profileNames = [
  'calm',
  'crashes',
  'freezes',
  'lost_answers',
  'leases',
  'redis_loss',
  'redelivery',
  'provider_trouble',
  'long_outage',
  'duplicates',
  'clocks',
  'spool',
  'members',
  'rollout',
  'accounts',
  'meters',
  'windows',
  'long_ambiguous_outage',
  'broken_customers',
  'storm',
] as const;

export type ProfileName = (typeof profileNames)[number];

/** Made of a part of a profile's seeds: coincidences.ts. */
export const coincidenceNames = [
  'sent_and_unlisted',
  'no_renewal',
  'late_rollback',
  'late_commits',
  'late_claims',
  'late_deliveries',
  'stranded_messages',
  'flood',
  'wasted_probes',
  'open_at_change',
] as const;

export type CoincidenceName = (typeof coincidenceNames)[number];
