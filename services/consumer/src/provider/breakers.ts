/**
 * One breaker per account: the platform's own, and one for each connected account that is called. An account that the
 * provider does not serve stops nobody else.
 *
 * A connected account's breaker is made with its first call and given up after a minute without one, if it is closed.
 */
import type { Entry } from '../../../../shared/journal/journal.ts';
import { type Breaker, type BreakerState, createBreaker } from './breaker.ts';
import type { Meter, Outcome, Provider } from './provider.ts';

/** The platform's own account, which calls name no account for. */
export const platform = '';

export interface AccountChange {
  readonly account: string;
  readonly state: BreakerState;
  /** How the latest failing call of the account failed. */
  readonly reason: string;
  /** It was refused for its credential. */
  readonly isUnauthorized?: boolean;
}

export interface Breakers {
  /** `isKnownToFail`: that it fails again says nothing about the provider. */
  send(entry: Entry, meter: Meter | undefined, isKnownToFail?: boolean): Promise<Outcome>;
  stateOf(account: string): BreakerState;
  onChange(listener: (change: AccountChange) => void): void;
  /** Ends their timers. Calls in flight go on and end as they end. */
  stop(): void;
}

export interface BreakersOptions {
  /** How long a breaker stays open before a probe, in milliseconds. */
  readonly resetMs?: number;
  /** A connected account that stays out of order is tried less and less often. */
  readonly connectedResetMaxMs?: number;
}

const idleMs = 60_000;

interface Kept {
  readonly breaker: Breaker;
  inFlight: number;
  usedAtMs: number;
}

export function createBreakers(
  provider: Pick<Provider, 'send'>,
  { resetMs = 3_000, connectedResetMaxMs = 60_000 }: BreakersOptions = {},
): Breakers {
  const kept = new Map<string, Kept>();
  const listeners: ((change: AccountChange) => void)[] = [];

  const breakerOf = (account: string): Kept => {
    let known = kept.get(account);
    if (known === undefined) {
      const resetMaxMs = account === platform ? resetMs : Math.max(resetMs, connectedResetMaxMs);
      const breaker = createBreaker(provider, { resetMs, resetMaxMs });
      breaker.onChange((state, reason, isUnauthorized) => {
        for (const listener of listeners) listener({ account, state, reason, isUnauthorized });
      });
      known = { breaker, inFlight: 0, usedAtMs: 0 };
      kept.set(account, known);
    }
    return known;
  };

  const sweep = setInterval(() => {
    const nowMs = performance.now();
    for (const [account, { breaker, inFlight, usedAtMs }] of kept) {
      if (account === platform || inFlight > 0 || breaker.state !== 'closed' || nowMs - usedAtMs < idleMs) continue;
      breaker.stop();
      kept.delete(account);
    }
  }, idleMs);
  sweep.unref();

  return {
    async send(entry, meter, isKnownToFail) {
      const known = breakerOf(entry.account ?? platform);
      known.inFlight++;
      try {
        return await known.breaker.send(entry, meter, isKnownToFail);
      } finally {
        known.inFlight--;
        known.usedAtMs = performance.now();
      }
    },
    stateOf: (account) => kept.get(account)?.breaker.state ?? 'closed',
    onChange: (listener) => void listeners.push(listener),
    stop() {
      clearInterval(sweep);
      for (const { breaker } of kept.values()) breaker.stop();
    },
  };
}
