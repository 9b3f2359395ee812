import type { ClaimAnswer } from '../../../../shared/journal/journal.ts';
import type { EndReason } from '../shard/protocol.ts';

/** What the ownership core is told. */
export type OwnershipEvent =
  | { readonly type: 'ticked' }
  | { readonly type: 'broker_changed'; readonly connected: boolean }
  /** Undefined: no answer. */
  | { readonly type: 'heartbeat_answered'; readonly members: readonly string[] | undefined }
  | {
      readonly type: 'claim_answered';
      readonly shard: number;
      readonly answer: ClaimAnswer | undefined;
      readonly askedAtMs: number;
    }
  | {
      readonly type: 'renew_answered';
      readonly shard: number;
      readonly epoch: number;
      readonly answer:
        | { readonly answer: 'ok' | 'stale'; readonly redisMs: number; readonly replays?: number }
        | undefined;
      readonly askedAtMs: number;
    }
  /** The shard's channel is closed and its calls are over. `next`: of the next set, as far as the journal has told. */
  | { readonly type: 'shard_ended'; readonly shard: number; readonly reason: EndReason; readonly next: number }
  | { readonly type: 'release_answered'; readonly shard: number }
  /** Who is a member beside this one. Undefined: no answer. */
  | { readonly type: 'withdraw_answered'; readonly others: readonly string[] | undefined }
  /** SIGTERM: give everything back and finish. */
  | { readonly type: 'left' };

/** What it wants done; every answer comes back as an event. */
export type OwnershipEffect =
  | { readonly type: 'heartbeat'; readonly ttlMs: number }
  | { readonly type: 'withdraw' }
  | { readonly type: 'claim'; readonly shard: number; readonly ttlMs: number }
  | { readonly type: 'renew'; readonly shard: number; readonly epoch: number; readonly ttlMs: number }
  | { readonly type: 'release'; readonly shard: number; readonly epoch: number }
  | { readonly type: 'start_shard'; readonly shard: number; readonly epoch: number; readonly deadlineMs: number }
  | { readonly type: 'lease_lost'; readonly shard: number }
  | {
      readonly type: 'lease_renewed';
      readonly shard: number;
      readonly deadlineMs: number;
      readonly redisMs: number;
      /** Replays that wait in the shard's journal for its owner. */
      readonly replays: number;
    }
  | { readonly type: 'hand_over'; readonly shard: number }
  | { readonly type: 'drain'; readonly shard: number; readonly deadlineMs: number }
  | { readonly type: 'halt'; readonly shard: number; readonly reason: string }
  | { readonly type: 'finished' };
