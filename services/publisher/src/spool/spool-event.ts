import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { Place, StoredCursor } from './cursor.ts';
import type { Stretch } from './record.ts';

/** What the spool core is told, and what it says. */
export type SpoolEvent =
  /** A record to be kept; `ticket` is chosen by the shell and never used twice. Past `expiresAtMs` it is not written any more. */
  | { readonly kind: 'append'; readonly ticket: number; readonly bytes: Buffer; readonly expiresAtMs: number }
  /** How the last effect `commit` ended. `abandoned`: what the segment holds beyond its known length is not known. */
  | { readonly kind: 'committed' }
  | { readonly kind: 'commit_failed'; readonly segment: 'kept' | 'abandoned' }
  | { readonly kind: 'probed'; readonly ok: boolean }
  /** How the last of the other effects ended. Stretches are counted from where was read; `bytes` is what they were read from. */
  | {
      readonly kind: 'loaded';
      readonly stretches: readonly Stretch[];
      readonly scanned: number;
      readonly bytes: Buffer;
    }
  | { readonly kind: 'saved' | 'removed' | 'parked' | 'upkeep_failed' }
  /** What the broker says about a replayed message. `returned` is followed by `confirmed`: together they mean a failure. */
  | { readonly kind: 'confirmed' | 'refused'; readonly generation: number; readonly ticket: number }
  | { readonly kind: 'returned'; readonly generation: number; readonly origin: MessageOrigin }
  | { readonly kind: 'lost' }
  /** Make the cursor durable now, not within the interval. */
  | { readonly kind: 'save' }
  | { readonly kind: 'ticked' };

export type SpoolEffect =
  /** The record is on the disk, or is not kept; each ticket gets one of the two. */
  | { readonly kind: 'stored' | 'declined'; readonly ticket: number }
  | {
      readonly kind: 'commit';
      readonly segment: number;
      /** The first of its segment. */
      readonly isNew: boolean;
      readonly offset: number;
      readonly records: readonly Buffer[];
    }
  /** Can the folder be written to again? */
  | { readonly kind: 'probe' }
  | Upkeep;

/** File work of the replay, one at a time. */
export type Upkeep =
  | { readonly kind: 'read'; readonly place: Place; readonly bytes: number; readonly isEnd: boolean }
  | { readonly kind: 'save'; readonly cursor: StoredCursor }
  /** Everything in it is confirmed or parked, and the cursor that says so is durable. */
  | { readonly kind: 'remove'; readonly segment: number }
  | {
      readonly kind: 'park';
      readonly why: 'damaged' | 'too_old';
      readonly place: Place;
      readonly bytes: Buffer;
      readonly records: number;
    };

export interface Now {
  /** Monotonic. */
  readonly nowMs: number;
  /** Unix milliseconds: for the age of records alone. */
  readonly wallMs: number;
}

export interface Replay {
  readonly ticket: number;
  readonly origin: MessageOrigin;
  readonly body: Buffer;
}

/** What stands in the folder when it is opened, torn tail repaired. */
export interface Found {
  readonly segments: readonly { readonly number: number; readonly bytes: number }[];
  readonly cursor: StoredCursor | undefined;
  /** That are not replayed yet. */
  readonly records: number;
}
