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
  /** Refused for now: its time is too far ahead of the provider's clock. Repeating it later helps. */
  | { readonly kind: 'early'; readonly reason: string }
  /** Certainly not processed, and not the entry's fault: rate limit, or another call of the same lane (409). */
  | { readonly kind: 'throttled'; readonly scope: 'account'; readonly limit: LimitReason; readonly reason: string }
  | { readonly kind: 'throttled'; readonly scope: 'lane'; readonly reason: string }
  /** Certainly not processed: the credential does not work (401/403). Nothing is dropped, everything waits. */
  | { readonly kind: 'unauthorized'; readonly reason: string }
  /** Certainly not sent: no connection could be made, or the breaker is open. */
  | { readonly kind: 'unsent'; readonly reason: string }
  /** It may have been processed: timeout, reset, 5xx, or an answer that cannot be read. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** Which of its limits the provider says was exceeded; `other`: one that is not known, or it does not say. */
export const limitReasons = [
  'global-rate',
  'global-concurrency',
  'endpoint-rate',
  'endpoint-concurrency',
  'other',
] as const;
export type LimitReason = (typeof limitReasons)[number];

export type Formula = 'sum' | 'count' | 'last';

export interface Meter {
  /** Absent where the provider knows its meters by their name only. */
  readonly id?: string;
  readonly eventName: string;
  readonly formula: Formula;
  /** Keys of the payload, set per meter. */
  readonly customerKey: string;
  readonly valueKey: string;
  /** Present when the provider overwrites a window instead of adding: such a meter cannot take counts. */
  readonly eventTimeWindow?: 'hour' | 'day';
  /** Present when the meter takes no events any more, until it is reactivated. */
  readonly archived?: true;
  /** Other meters that had this name before, or will have it again: a meter's formula never changes, a name's meter can. */
  readonly namesakes?: readonly Namesake[];
}

export interface Namesake {
  readonly id: string;
  readonly formula: Formula;
}

/** An account's meters could not be read, whatever the cause: refused, failed, late, cut off, or no list. */
export class MetersUnreadable extends Error {
  readonly code = 'meters_unreadable';
  /** The credential may not read them: it is not valid, or the account is revoked, or does not exist. */
  readonly isKeyRefused: boolean;

  constructor(reason: string, { cause, isKeyRefused = false }: { cause?: unknown; isKeyRefused?: boolean } = {}) {
    super(reason, { cause });
    this.isKeyRefused = isKeyRefused;
  }
}

export interface Provider {
  /** One call. Needs the meter for the payload's keys; absent when the provider's list does not have it. */
  send(entry: Entry, meter: Meter | undefined): Promise<Outcome>;
  /**
   * Every meter of the account, archived ones too; without a name the platform's own. Rejects with `MetersUnreadable` when they
   * cannot be read.
   */
  meters(account?: string): Promise<readonly Meter[]>;
}
