/**
 * The circuit breaker round one account's calls (opossum's, in this project's words).
 *
 * closed     calls pass. More than half of at least `callsMin` calls of the last ten seconds failing → open.
 *            A single 401 or 403 → open: what the credential may not do it may not do with the next call either.
 * open       no call passes, each is answered `unsent` at once. After `resetMs` → half_open; each time that it opens again
 *            without having closed, it stays open twice as long, up to `resetMaxMs`.
 * half_open  one call passes as a probe, any other is answered `unsent`. Its outcome → closed, or open again.
 *
 * Failing means that the provider cannot be worked with: unsent, unknown, unauthorized. A refusal, a 429 and a 409 are
 * answers of a provider that is well. A lane that fails while others are served is no witness (witnesses.ts).
 * Opossum's own timeout is off, since a call has one, and one that is longer than opossum's would go on unseen.
 */
import CircuitBreaker from 'opossum';
import type { Entry } from '../../../../shared/journal/journal.ts';
import { classify } from './classify.ts';
import type { Meter, Outcome, Provider } from './provider.ts';
import { Witnesses } from './witnesses.ts';

export type BreakerState = 'closed' | 'open' | 'half_open';

export interface Breaker {
  /** `isKnownToFail`: that it fails again says nothing about the provider. */
  send(entry: Entry, meter: Meter | undefined, isKnownToFail?: boolean): Promise<Outcome>;
  readonly state: BreakerState;
  /** `reason`: how the latest failing call failed. */
  /** `isUnauthorized`: the credential was refused. */
  onChange(listener: (state: BreakerState, reason: string, isUnauthorized: boolean) => void): void;
  /** Ends its timers. Calls in flight go on and end as they end. */
  stop(): void;
}

export interface BreakerOptions {
  /** How long it stays open before a probe, in milliseconds. */
  readonly resetMs?: number;
  /** … at most, if probes keep failing. */
  readonly resetMaxMs?: number;
  /** Fewer calls in ten seconds never open it. */
  readonly callsMin?: number;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
}

/** Carries a failing outcome through opossum, which counts rejections. */
class CallFailed extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super(`The call ended as ${outcome.kind}.`);
    this.outcome = outcome;
  }
}

export function createBreaker(
  provider: Pick<Provider, 'send'>,
  { resetMs = 3_000, resetMaxMs = resetMs, callsMin = 20, now = () => performance.now() }: BreakerOptions = {},
): Breaker {
  let latestReason = 'no call has failed yet';
  let isUnauthorized = false;
  const witnesses = new Witnesses();

  const call = async (entry: Entry, meter: Meter | undefined, isKnownToFail: boolean): Promise<Outcome> => {
    const startedAtMs = now();
    const outcome = await provider.send(entry, meter);
    switch (outcome.kind) {
      case 'accepted':
        witnesses.accepted(entry, now());
        return outcome;
      case 'refused':
      case 'early':
      case 'throttled':
        return outcome;
      case 'unsent':
      case 'unknown':
        latestReason = outcome.reason;
        isUnauthorized = false;
        if (!witnesses.failureCounts(entry, startedAtMs, isKnownToFail, circuit.closed)) return outcome;
        throw new CallFailed(outcome);
      case 'unauthorized':
        latestReason = outcome.reason;
        isUnauthorized = true;
        throw new CallFailed(outcome);
    }
  };

  // Read by opossum each time that the circuit opens.
  const options = {
    timeout: false as const,
    errorThresholdPercentage: 50,
    volumeThreshold: callsMin,
    rollingCountTimeout: 10_000,
    rollingCountBuckets: 10,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    resetTimeout: resetMs,
  };
  const circuit = new CircuitBreaker(call, options);
  circuit.on('open', () => (options.resetTimeout = Math.min(resetMaxMs, options.resetTimeout * 2)));
  circuit.on('close', () => (options.resetTimeout = resetMs));

  return {
    get state() {
      if (circuit.halfOpen) return 'half_open';
      return circuit.closed ? 'closed' : 'open';
    },

    async send(entry, meter, isKnownToFail = false) {
      try {
        return await circuit.fire(entry, meter, isKnownToFail);
      } catch (error) {
        if (error instanceof CallFailed) {
          if (error.outcome.kind === 'unauthorized') circuit.open();
          return error.outcome;
        }
        if (error instanceof Error && CircuitBreaker.isOurError(error)) {
          return { kind: 'unsent', reason: `the breaker let no call through: ${latestReason}` };
        }
        // `send` of a provider never rejects; if it did, nobody can say what it has done.
        return classify(error);
      }
    },

    onChange(listener) {
      circuit.on('open', () => listener('open', latestReason, isUnauthorized));
      circuit.on('halfOpen', () => listener('half_open', latestReason, isUnauthorized));
      circuit.on('close', () => listener('closed', latestReason, false));
    },

    stop: () => circuit.shutdown(),
  };
}
