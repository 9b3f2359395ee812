/**
 * The circuit breaker round a provider (opossum's, in this project's words).
 *
 * closed     calls pass. More than half of at least `callsMin` calls of the last ten seconds failing → open.
 * open       no call passes, each is answered `unsent` at once. After `resetMs` → half_open.
 * half_open  one call passes as a probe, any other is answered `unsent`. Its outcome → closed, or open again.
 *
 * Failing means that the provider cannot be worked with: unsent, unknown, unauthorized. A refusal, a 429 and a 409 are
 * answers of a provider that is well. Opossum's own timeout is off, since a call has one, and one that is longer
 * than opossum's would go on unseen.
 */
import CircuitBreaker from 'opossum';
import type { Entry } from '../../../../shared/journal/journal.ts';
import { classify } from './classify.ts';
import type { Meter, Outcome, Provider } from './provider.ts';

export type BreakerState = 'closed' | 'open' | 'half_open';

export interface Breaker extends Pick<Provider, 'send'> {
  readonly state: BreakerState;
  /** `reason`: how the latest failing call failed. */
  onChange(listener: (state: BreakerState, reason: string) => void): void;
  /** Ends its timers. Calls in flight go on and end as they end. */
  stop(): void;
}

export interface BreakerOptions {
  /** How long it stays open before a probe, in milliseconds. */
  readonly resetMs?: number;
  /** Fewer calls in ten seconds never open it. */
  readonly callsMin?: number;
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
  { resetMs = 3_000, callsMin = 20 }: BreakerOptions = {},
): Breaker {
  let latestReason = 'no call has failed yet';

  const call = async (entry: Entry, meter: Meter | undefined): Promise<Outcome> => {
    const outcome = await provider.send(entry, meter);
    switch (outcome.kind) {
      case 'accepted':
      case 'refused':
      case 'throttled':
        return outcome;
      case 'unsent':
      case 'unknown':
      case 'unauthorized':
        latestReason = outcome.reason;
        throw new CallFailed(outcome);
    }
  };

  const circuit = new CircuitBreaker(call, {
    timeout: false,
    errorThresholdPercentage: 50,
    volumeThreshold: callsMin,
    rollingCountTimeout: 10_000,
    rollingCountBuckets: 10,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    resetTimeout: resetMs,
  });

  return {
    get state() {
      if (circuit.halfOpen) return 'half_open';
      return circuit.closed ? 'closed' : 'open';
    },

    async send(entry, meter) {
      try {
        return await circuit.fire(entry, meter);
      } catch (error) {
        if (error instanceof CallFailed) return error.outcome;
        if (error instanceof Error && CircuitBreaker.isOurError(error)) {
          return { kind: 'unsent', reason: `the breaker let no call through: ${latestReason}` };
        }
        // `send` of a provider never rejects; if it did, nobody can say what it has done.
        return classify(error);
      }
    },

    onChange(listener) {
      circuit.on('open', () => listener('open', latestReason));
      circuit.on('halfOpen', () => listener('half_open', latestReason));
      circuit.on('close', () => listener('closed', latestReason));
    },

    stop: () => circuit.shutdown(),
  };
}
