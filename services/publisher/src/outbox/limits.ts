import type { RetryPolicy } from '../../../../shared/retry/delay.ts';

export interface OutboxLimits {
  readonly messageEventsMax: number;
  /** Of a message's body. One event is always below it. */
  readonly messageBytesMax: number;
  /** How long an event waits for others of its slot: the minimum on an idle sidecar … */
  readonly lingerMinMs: number;
  /** … and this once `lingerFullAt` messages are on their way: then bigger messages cost less than waiting does. */
  readonly lingerMaxMs: number;
  readonly lingerFullAt: number;
  /** Everything that is accepted and not yet confirmed, in the bytes of its events plus `eventOverheadBytes` each. */
  readonly heldBytesMax: number;
  readonly eventOverheadBytes: number;
  /** A message that is not confirmed this long after its first event is dropped (invariant 4). */
  readonly expiryMs: number;
  /** With a spool: a broker that has not answered a message for this long is slow, and messages go to the spool instead. */
  readonly slowMs: number;
  /** For messages that the broker returned or refused. */
  readonly retry: RetryPolicy;
}

export const defaultLimits: OutboxLimits = {
  messageEventsMax: 500,
  messageBytesMax: 128 * 1024,
  lingerMinMs: 2,
  lingerMaxMs: 20,
  // One per slot: as long as each has one on its way, the next one loses little by waiting.
  lingerFullAt: 64,
  heldBytesMax: 64 * 1024 * 1024,
  eventOverheadBytes: 256,
  expiryMs: 30_000,
  slowMs: 2_000,
  retry: { baseMs: 100, maxMs: 5_000 },
};
