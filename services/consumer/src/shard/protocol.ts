import type { MessageOrigin, UsageMessage } from '../../../../shared/event/usage-event.ts';
import type { ShardState } from '../../../../shared/journal/journal.ts';
import type { MeterCatalog } from '../meters/meter-list.ts';
import type { JournalAnswer, JournalWrite } from '../sending/write.ts';

/**
 * What goes into a shard's core and what comes out. The shell (or the simulation) runs effects and posts their
 * outcomes back as events. Times in events are monotonic unless they say Redis.
 */

export type ShardEvent =
  /** The journal's state; `askedAtMs` is from before it was asked for. */
  | { readonly type: 'loaded'; readonly state: ShardState | 'stale'; readonly askedAtMs: number }
  /** `replays`: how many wait in the journal for the shard's owner. */
  | {
      readonly type: 'lease_renewed';
      readonly deadlineMs: number;
      readonly redisMs: number;
      readonly replays?: number;
    }
  /** `account`: whose list, or failure to read it, is new; absent: any account's may be. The platform's own has no name. */
  | { readonly type: 'catalog_read'; readonly catalog: MeterCatalog; readonly account?: string }
  /** Another member holds the shard, or nobody: the journal said so. */
  | { readonly type: 'lease_lost' }
  /** The provider does not serve this connected account, for this reason; undefined: it may be tried again. */
  | { readonly type: 'account_changed'; readonly account: string; readonly closedFor: string | undefined }
  /** Windows have this length from now on. */
  | { readonly type: 'window_changed'; readonly windowMs: number }
  | { readonly type: 'channel_opened'; readonly generation: number }
  /** `isCancelled`: by the broker, which may have no such queue any more; then nothing that was delivered comes again. */
  | { readonly type: 'channel_lost'; readonly generation: number; readonly isCancelled?: boolean }
  | {
      readonly type: 'delivered';
      readonly generation: number;
      readonly tag: number;
      readonly origin: MessageOrigin;
      readonly message: UsageMessage;
    }
  /** A delivery that cannot be read: it goes to the dead-letter exchange as it is, then it is acked. */
  | { readonly type: 'unreadable'; readonly generation: number; readonly tag: number }
  | { readonly type: 'dead_letter_confirmed'; readonly generation: number; readonly tag: number }
  /** `answer` is undefined when there was none: the write may or may not have happened. */
  | { readonly type: 'written'; readonly answer: JournalAnswer | undefined }
  | { readonly type: 'ticked' }
  /** Give the shard to another member at once; what is not sealed is delivered to it again. */
  | { readonly type: 'hand_over' }
  /** Stop counting, seal, settle and ack what can be by `deadlineMs`; with `quickly`, only until the set is committed. */
  | { readonly type: 'drain'; readonly deadlineMs: number };

export type EndReason =
  /** Handed over or drained: the lease can be given back. */
  | 'released'
  /** The lease was not renewed in time. */
  | 'lease_expired'
  /** The journal belongs to another epoch now. */
  | 'stale'
  /** The journal refused a commit: memory and journal disagree, so memory is worth nothing (invariant 5). */
  | 'refused'
  /** The journal holds another set or token than the one that was committed: it lost writes (invariant 8). */
  | 'mismatch';

/** What was delivered and not sealed. */
export interface Unsealed {
  readonly messages: number;
  /** Some of them may be duplicates. */
  readonly events: number;
}

export type ShardEffect =
  | { readonly type: 'load' }
  /** Forgotten with the channel: billed if the broker delivers it again, and only then. */
  | ({ readonly type: 'discarded' } & Unsealed)
  /** Keep trying until `channel_opened`; consume with this prefetch. */
  | { readonly type: 'open_channel'; readonly generation: number; readonly prefetch: number }
  | { readonly type: 'set_prefetch'; readonly generation: number; readonly prefetch: number }
  | { readonly type: 'cancel_consumer'; readonly generation: number }
  | { readonly type: 'close_channel'; readonly generation: number }
  /** Acks every delivery up to and including `tag`. */
  | { readonly type: 'ack'; readonly generation: number; readonly tag: number }
  | { readonly type: 'write'; readonly write: JournalWrite }
  /** A meter is missing in the account's list: read it again, as soon as the pace of reads allows. */
  | { readonly type: 'need_catalog'; readonly account: string }
  | { readonly type: 'ended'; readonly reason: EndReason };
