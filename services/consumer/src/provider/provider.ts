import type { Entry } from '../../../../shared/journal/journal.ts';

/**
 * The billing provider as the shards see it: a port, so that another provider is an adapter and not a rewrite.
 * `send` never rejects: whatever happens becomes one of these outcomes.
 */
export type Outcome =
  /** The provider has it: accepted now, or an event with this identifier was there already. */
  | { readonly kind: 'accepted' }
  /** Refused for what it is (unknown customer, archived meter, too old). Repeating it cannot help. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Certainly not processed, and not the entry's fault: rate limit, or another call of the same lane (409). */
  | { readonly kind: 'throttled'; readonly scope: 'account' | 'lane'; readonly reason: string }
  /** Certainly not processed: the credential does not work (401/403). Nothing is dropped, everything waits. */
  | { readonly kind: 'unauthorized'; readonly reason: string }
  /** Certainly not sent: no connection could be made, or the breaker is open. */
  | { readonly kind: 'unsent'; readonly reason: string }
  /** It may have been processed: timeout, reset, 5xx, or an answer that cannot be read. */
  | { readonly kind: 'unknown'; readonly reason: string };

export type Formula = 'sum' | 'count' | 'last';

export interface Meter {
  readonly eventName: string;
  readonly formula: Formula;
  /** Keys of the payload, set per meter. */
  readonly customerKey: string;
  readonly valueKey: string;
  /** Present when the provider overwrites a window instead of adding: such a meter cannot take counts. */
  readonly eventTimeWindow?: 'hour' | 'day';
  /** Present when the meter takes no events any more, until it is reactivated. */
  readonly archived?: true;
}

export interface Provider {
  /** One call. Needs the meter for the payload's keys; absent when the provider's list does not have it. */
  send(entry: Entry, meter: Meter | undefined): Promise<Outcome>;
  /** Every meter of the account, archived ones too. Rejects when it cannot be read. */
  meters(): Promise<readonly Meter[]>;
}
