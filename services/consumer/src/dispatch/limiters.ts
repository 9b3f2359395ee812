/**
 * The provider's limits as data, and a limiter for each: the cluster's own rate, which every call pays, and beside it the
 * rate of each connected account, which the provider counts apart (docs.stripe.com/rate-limits).
 *
 * Reports of calls that were turned away are collected while one is under way, so that a burst of them is one request.
 */
import {
  climbed,
  type Lease,
  type Rate,
  type SlotLimiter,
  type Throttled,
} from '../../../../shared/limiter/limiter.ts';
import { platform } from '../provider/breakers.ts';

export interface EndpointLimits {
  /** Calls per second of the platform's account, over all of its connected accounts. */
  readonly ratePerS: number;
  /** Calls per second of one connected account. */
  readonly connectedRatePerS: number;
}

/**
 * Stripe's meter events: live 1,000 calls per second, in a sandbox 25 as for everything else; with a `Stripe-Account` header
 * the regular 100 (docs.stripe.com/rate-limits). What a person sets goes before, and no account may have more.
 */
export function meterEventLimits(isLive: boolean, said: number | undefined, share: number): EndpointLimits {
  const ratePerS = said ?? (isLive ? 1_000 : 25);
  return { ratePerS: ratePerS * share, connectedRatePerS: Math.min(ratePerS, isLive ? 100 : 25) * share };
}

export interface Limiters {
  lease(account: string, wanted: number): Promise<Lease>;
  /** Answers the rate of the account's limit after that; undefined: it is told with another report. */
  throttled(account: string, startedAtMs: number, reason: string): Promise<Rate | undefined>;
  giveBack(count: number): Promise<void>;
  /** The cluster's own rate, as it was told last; without a call since then, as it must have climbed meanwhile. */
  readonly rate: Rate;
}

interface Limit {
  readonly limiter: SlotLimiter;
  report: { count: number; startedAtMs: number; reason: string } | undefined;
  isReporting: boolean;
  usedAtMs: number;
}

/** Limiters of connected accounts that were not used for so long are made anew when they are. */
const idleMs = 60_000;

export function createLimiters(limiterOf: (account: string) => SlotLimiter, ratePerS: number): Limiters {
  const limits = new Map<string, Limit>();
  let told: Rate = { pace: 1, perS: ratePerS, lowered: undefined };
  let toldAtMs = performance.now();
  let sweptAtMs = performance.now();

  function limitOf(account: string): Limit {
    let limit = limits.get(account);
    if (limit === undefined) {
      limit = { limiter: limiterOf(account), report: undefined, isReporting: false, usedAtMs: 0 };
      limits.set(account, limit);
    }
    limit.usedAtMs = performance.now();
    sweep(limit.usedAtMs);
    return limit;
  }

  function sweep(nowMs: number): void {
    if (nowMs - sweptAtMs < idleMs) return;
    sweptAtMs = nowMs;
    for (const [account, { usedAtMs, isReporting }] of limits) {
      if (account !== platform && !isReporting && nowMs - usedAtMs >= idleMs) limits.delete(account);
    }
  }

  function hear(rate: Rate): void {
    told = rate;
    toldAtMs = performance.now();
  }

  return {
    get rate() {
      return climbed(told, performance.now() - toldAtMs);
    },

    async lease(account, wanted) {
      const leased = await limitOf(account).limiter.lease(wanted);
      if (account === platform) hear(leased.rate);
      return leased.lease;
    },

    async throttled(account, startedAtMs, reason) {
      const limit = limitOf(account);
      const before = limit.report;
      limit.report = {
        count: (before?.count ?? 0) + 1,
        startedAtMs: Math.max(before?.startedAtMs ?? startedAtMs, startedAtMs),
        reason,
      };
      if (limit.isReporting) return undefined;
      limit.isReporting = true;
      let rate: Rate | undefined;
      try {
        for (let report: Throttled | undefined = limit.report; report !== undefined; report = limit.report) {
          limit.report = undefined;
          rate = await limit.limiter.throttled(report);
          if (account === platform) hear(rate);
        }
      } finally {
        limit.isReporting = false;
      }
      return rate;
    },

    giveBack: (count) => limitOf(platform).limiter.giveBack(count),
  };
}
