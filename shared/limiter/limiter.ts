import { type ClockExchange, type ClockOffset, offsetAfter } from './clock-offset.ts';
import { forgottenMs, holdUs, paceAt } from './pace.ts';
import { latenessMaxMs, type SlotAnswer } from './slots.ts';

/**
 * Slots on this process's monotonic clock (`performance.now()`). A call may start from a slot's time on, for
 * `toleranceMs`; after that the slot is lost. Without slots: ask again after `waitMs`.
 */
export type Lease =
  | { readonly slotsAtMs: readonly number[]; readonly toleranceMs: number }
  | { readonly waitMs: number };

/** What the cluster makes of a limit now: see `pace.ts`. */
export interface Rate {
  /** Part of the limit that is used, 1 for all of it, and for a limit that was not lowered. */
  readonly pace: number;
  readonly perS: number;
  /** When a 429 lowered it last, unix milliseconds, and what the provider said; undefined: it was not. */
  readonly lowered: { readonly atMs: number; readonly reason: string } | undefined;
}

/** What a rate that was told so long ago is now, if nothing has lowered it since: it climbs whether or not it is asked for. */
export function climbed({ pace, perS, lowered }: Rate, elapsedMs: number): Rate {
  const now = paceAt({ pace, climbsFromUs: holdUs }, elapsedMs * 1_000);
  return { pace: now, perS: perS * (now / pace), lowered: elapsedMs < forgottenMs ? lowered : undefined };
}

export interface Throttled {
  readonly count: number;
  /** When the latest of them started, on the monotonic clock. */
  readonly startedAtMs: number;
  readonly reason: string;
}

/** One limit of the provider, shared by the cluster: hands out the right to start calls. Rejects when nobody can be asked. */
export interface SlotLimiter {
  /** Asks for `wanted` slots, 1 or more; gets at most as many. */
  lease(wanted: number): Promise<{ readonly lease: Lease; readonly rate: Rate }>;
  /** The provider turned calls away. */
  throttled(report: Throttled): Promise<Rate>;
  /** The last so many slots will not be used. */
  giveBack(count: number): Promise<void>;
}

export interface LocalLease {
  readonly lease: Lease;
  readonly offset: ClockOffset;
  /** How exactly the other clock is known; at the greatest lateness and above no slot can be used. */
  readonly uncertaintyMs: number;
}

// Less than the precision of timers is no use.
const toleranceMinMs = 2;
const uncertainWaitMs = 250;

/**
 * Translates an answer into local time. The slot's true time lies in an interval as wide as the uncertainty: a call may
 * start from its end, so never early, until `latenessMs` after its beginning, so never later than that in truth.
 */
export function localLease(
  answer: SlotAnswer,
  exchange: ClockExchange,
  known: ClockOffset | undefined,
  spacingUs: number,
  latenessMs: number = latenessMaxMs,
): LocalLease {
  const offset = offsetAfter(known, exchange);
  const uncertaintyMs = offset.highMs - offset.lowMs;
  if ('waitUs' in answer) return { lease: { waitMs: answer.waitUs / 1_000 }, offset, uncertaintyMs };
  const toleranceMs = latenessMs - uncertaintyMs;
  if (toleranceMs < toleranceMinMs) return { lease: { waitMs: uncertainWaitMs }, offset, uncertaintyMs };
  const slotsAtMs: number[] = [];
  for (let slot = 0; slot < answer.count; slot++) {
    slotsAtMs.push((answer.firstUs + slot * spacingUs) / 1_000 - offset.lowMs);
  }
  return { lease: { slotsAtMs, toleranceMs }, offset, uncertaintyMs };
}
