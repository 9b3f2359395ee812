import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Meter, Outcome } from '../provider/provider.ts';

/** One call to the provider. */
export interface Call {
  readonly entry: Entry;
  /** Undefined when the provider's list does not have it. */
  readonly meter: Meter | undefined;
  /** Its lane fails while others do not: that it fails again says nothing about the provider. */
  readonly isKnownToFail: boolean;
  /**
   * Called exactly once. `breakerClosed`: the account's breaker was closed when the call began and when it ended, so that a
   * failure is this entry's own and not the provider's as a whole.
   */
  ended(outcome: Outcome, nowMs: number, breakerClosed: boolean): void;
}

/** Where calls come from: a shard. */
export interface CallSource {
  /**
   * Calls that could start now, by account, as far as the number is, or may be, another one since this was last asked; the
   * platform's own account has no name.
   */
  takeArmedChanges(nowMs: number): ReadonlyMap<string, number>;
  /**
   * The account's next call, which starts in this very tick; undefined if none may start now. `onlyFresh`: none of a
   * lane that is known to fail; such a call says little about the provider.
   */
  takeCall(nowMs: number, account: string, onlyFresh: boolean): Call | undefined;
  /** The provider does not serve this connected account, for this reason; undefined: it may be tried again. */
  accountChanged(account: string, closedFor: string | undefined): void;
}

export interface StartedCall {
  readonly call: Call;
  readonly source: CallSource;
  readonly account: string;
  readonly startedAtMs: number;
  readonly breakerClosed: boolean;
}
