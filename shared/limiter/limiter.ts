import { type ClockExchange, type ClockOffset, offsetAfter } from './clock-offset.ts';
import { latenessMaxMs, type SlotAnswer } from './slots.ts';

/**
 * Slots on this process's monotonic clock (`performance.now()`). A call may start from a slot's time on, for
 * `toleranceMs`; after that the slot is lost. Without slots: ask again after `waitMs`.
 */
export type Lease =
  | { readonly slotsAtMs: readonly number[]; readonly toleranceMs: number }
  | { readonly waitMs: number };

/** The cluster's rate: hands out the right to start calls. Rejects when nobody can be asked. */
export interface SlotLimiter {
  /** Asks for `wanted` slots, 1 or more; gets at most as many. `pace`: part of the rate to be used, 1 for all of it. */
  lease(wanted: number, pace?: number): Promise<Lease>;
}

export interface LocalLease {
  readonly lease: Lease;
  readonly offset: ClockOffset;
  /** How exactly the other clock is known; at `latenessMaxMs` and above no slot can be used. */
  readonly uncertaintyMs: number;
}

// Less than the precision of timers is no use.
const toleranceMinMs = 2;
const uncertainWaitMs = 250;

/**
 * Translates an answer into local time. The slot's true time lies in an interval as wide as the uncertainty: a call may
 * start from its end, so never early, until `latenessMaxMs` after its beginning, so never later than that in truth.
 */
export function localLease(
  answer: SlotAnswer,
  exchange: ClockExchange,
  known: ClockOffset | undefined,
  spacingUs: number,
): LocalLease {
  const offset = offsetAfter(known, exchange);
  const uncertaintyMs = offset.highMs - offset.lowMs;
  if ('waitUs' in answer) return { lease: { waitMs: answer.waitUs / 1_000 }, offset, uncertaintyMs };
  const toleranceMs = latenessMaxMs - uncertaintyMs;
  if (toleranceMs < toleranceMinMs) return { lease: { waitMs: uncertainWaitMs }, offset, uncertaintyMs };
  const slotsAtMs: number[] = [];
  for (let slot = 0; slot < answer.count; slot++) {
    slotsAtMs.push((answer.firstUs + slot * spacingUs) / 1_000 - offset.lowMs);
  }
  return { lease: { slotsAtMs, toleranceMs }, offset, uncertaintyMs };
}
