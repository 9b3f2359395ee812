import type { MessageOrigin } from '../../../../shared/event/usage-event.ts';
import type { PackedEvent } from './packing.ts';

/** What the outbox core is told, and what it says. */
export type OutboxEvent =
  | {
      readonly kind: 'submitted';
      /** Chosen by the shell; never used twice. */
      readonly request: number;
      /** At least one. */
      readonly events: readonly PackedEvent[];
      /** Wall clock, unix milliseconds. */
      readonly receivedAtMs: number;
    }
  | { readonly kind: 'connected'; readonly generation: number }
  | { readonly kind: 'lost'; readonly generation: number }
  /** The broker has stopped reading, or reads again. */
  | { readonly kind: 'blocked'; readonly blocked: boolean }
  /** What the broker says about one message. `returned` is followed by `confirmed`: together they mean a failure. */
  | {
      readonly kind: 'confirmed' | 'refused' | 'returned';
      readonly generation: number;
      readonly slot: number;
      readonly sequence: number;
    }
  /** What the spool could take now, told whenever that has changed. Never told: there is no spool. */
  | { readonly kind: 'spool'; readonly roomBytes: number | undefined }
  /** What became of a message that was taken for the spool. */
  | { readonly kind: 'spooled' | 'spool_declined'; readonly slot: number; readonly sequence: number }
  /** The time `wakeAtMs` has come. */
  | { readonly kind: 'ticked' };

/** `broker_unavailable`: and there is no spool. `spool_…`: the broker is away, and the spool has no room, or cannot be written to. */
export type TurnedAwayReason = 'broker_unavailable' | 'spool_full' | 'spool_unavailable' | 'overloaded';

export type OutboxEffect =
  | { readonly kind: 'durable'; readonly request: number }
  | { readonly kind: 'expired'; readonly request: number }
  | { readonly kind: 'turned_away'; readonly request: number; readonly reason: TurnedAwayReason };

export interface Outgoing {
  readonly origin: MessageOrigin;
  readonly body: Buffer;
  readonly events: number;
  /** When its first event was accepted: the wall's clock, and when it expires on the outbox's. */
  readonly acceptedAtMs: number;
  readonly expiresAtMs: number;
  /** Not its first time. */
  readonly again: boolean;
}

export interface OutboxIdentity {
  /** New at every start: 128 random bits. */
  readonly producer: string;
  readonly source: string;
  readonly region: string;
}
