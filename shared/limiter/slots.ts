/**
 * Time slots: how a cluster keeps to a rate that nobody may exceed. A slot is a moment at which one call may start.
 * Slots are handed out in order, `spacingUs` apart, and never twice. Nothing is saved up: a slot that nobody asked for
 * in time is gone, so there is no burst after a pause, and none in the first second.
 *
 * This file is the rule as a pure function. `rate-script.ts` is the same rule inside Redis, where the cluster shares
 * it; both pass `slots.contract.ts`. All times are whole microseconds of one clock.
 *
 * Why it keeps the rate: every call starts within `latenessMaxMs` after its slot's time, so the calls of any one second
 * have their slots within 1,030 ms, and at 95 % of the rate those are at most 1.03 × 0.95 × rate = 0.9785 × rate,
 * rounded up. The rest is for what we do not see: calls that the network, or the provider, held up for 20 ms and that
 * arrive together.
 */

/** Aim: a little below the limit, since the provider's clock and network are not ours. */
export const aim = 0.95;

/** Slots are handed out at most this far ahead, so that a consumer that dies takes little of the rate with it. */
export const horizonUs = 150_000;

/** A call starts at most this long after its slot's time. */
export const latenessMaxMs = 30;

/** Distance of two slots at a limit of `ratePerS` calls per second. */
export function spacingUs(ratePerS: number, part = aim): number {
  return Math.ceil(1_000_000 / (part * ratePerS));
}

/** `count` slots: the first at `firstUs`, the others `spacingUs` apart. Or none: ask again after `waitUs`. */
export type SlotAnswer =
  | { readonly nowUs: number; readonly firstUs: number; readonly count: number }
  | { readonly nowUs: number; readonly waitUs: number };

export interface SlotStep {
  readonly answer: SlotAnswer;
  /** The time of the first slot that is still free: what the cluster remembers. */
  readonly nextUs: number;
}

/** With all slots given away, none is handed out before so much time is free again. */
export const pieceUs = horizonUs / 16;

/**
 * Hands out up to `wanted` slots. With all slots given away everyone would ask for every single one, so they wait
 * until a whole piece is free. They wait however few they want: otherwise who wants few would always come first.
 */
export function leaseSlots(rememberedUs: number, nowUs: number, wanted: number, spacingUs: number): SlotStep {
  const latestUs = nowUs + horizonUs;
  // Further ahead than any slot can be: the clock was set back, or the limit was lower before.
  const freeUs = Math.min(rememberedUs, latestUs + spacingUs);
  const firstUs = Math.max(freeUs, nowUs);
  const room = Math.max(0, Math.floor((latestUs - firstUs) / spacingUs) + 1);
  const piece = Math.ceil(pieceUs / spacingUs);
  if (room < piece) {
    // What is remembered is corrected even so: kept as it was, it would refuse for as long as the clock was set back.
    return { answer: { nowUs, waitUs: firstUs + (piece - 1) * spacingUs - latestUs }, nextUs: freeUs };
  }
  const count = Math.min(wanted, room);
  return { answer: { nowUs, firstUs, count }, nextUs: firstUs + count * spacingUs };
}
