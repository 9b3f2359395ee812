/**
 * How much of a limit the cluster uses: 1 is all of it. A provider may answer 429 although the limit is kept: somebody else uses
 * the account, its limit is lower than we were told, or calls were held up on their way and arrived together.
 *
 * - It begins with half: the first calls have to wait for connections to be opened, and arrive together.
 * - More than one in ten of a second's calls turned away: the pace is halved, for everybody and at once. Calls that
 *   started within the next second say nothing about the new pace, because the provider still counts those of before.
 *   If most of those after it are turned away as well, the pace falls to the part that was not: a limit that dropped to a
 *   tenth is met in two steps.
 * - Fewer: it falls by 2 %, once per second.
 * - Two seconds after the last 429 it climbs again, doubling in ten seconds, so it is back within a minute from any depth.
 *
 * This file is the rule as a pure function; `rate-script.ts` is the same rule inside Redis. Both pass `pace.contract.ts`.
 * All times are whole microseconds of one clock. That clock may be set: a time that it cannot have written is taken for the
 * latest that it could have, and kept as that (`atClock`), so that no step waits for the clock to be where it was.
 */
import { aim, latenessMaxMs, leaseSlots, type SlotAnswer, spacingUs } from './slots.ts';

/** What the cluster remembers of one limit. Nothing remembered is `unusedRate`. */
export interface RateState {
  /** The first slot that is still free. */
  readonly nextUs: number;
  /** Distance of the slots that were handed out last; 0: none were. */
  readonly spacingUs: number;
  /** Part of the limit, as of `climbsFromUs`; more after that. */
  readonly pace: number;
  readonly climbsFromUs: number;
  /** Calls that started before this say nothing about the pace. */
  readonly judgedFromUs: number;
  /** When the second began in which slots and 429s are counted; 0: never. */
  readonly secondUs: number;
  readonly handedOut: number;
  /** Handed out in the second before. */
  readonly handedOutBefore: number;
  readonly throttled: number;
  /** When a 429 lowered the pace last, and what the provider said; 0 and empty: never. */
  readonly changedUs: number;
  readonly reason: string;
}

export const unusedRate: RateState = {
  nextUs: 0,
  spacingUs: 0,
  pace: 1,
  climbsFromUs: 0,
  judgedFromUs: 0,
  secondUs: 0,
  handedOut: 0,
  handedOutBefore: 0,
  throttled: 0,
  changedUs: 0,
  reason: '',
};

export interface ThrottleReport {
  /** Calls that were turned away. */
  readonly count: number;
  /** When the latest of them started. */
  readonly startedUs: number;
  /** In the provider's words. */
  readonly reason: string;
}

const secondUs = 1_000_000;
/** Nobody has used the limit for a while. */
export const coldPace = 1 / 2;
export const doublingUs = 10 * secondUs;
export const holdUs = 2 * secondUs;
export const halvedAbovePart = 1 / 10;
/** However many were turned away, one step leaves so much of the pace. */
export const keptMin = 1 / 10;
export const strayFactor = 0.98;
/** Without a slot or a 429 for so long, what is remembered of a limit says nothing any more. */
export const forgottenMs = 120_000;
/** Never a standstill, from which it could not recover. */
export const paceMin = 0.02;

/** What is remembered, as far as a clock that shows `nowUs` can have written it. */
export function atClock(state: RateState, nowUs: number): RateState {
  const climbsFromUs = Math.min(state.climbsFromUs, nowUs + holdUs);
  const judgedFromUs = Math.min(state.judgedFromUs, nowUs + secondUs);
  const changedUs = Math.min(state.changedUs, nowUs);
  return { ...state, climbsFromUs, judgedFromUs, changedUs };
}

/** The clock that was set back does not raise it. */
export function paceAt({ pace, climbsFromUs }: Pick<RateState, 'pace' | 'climbsFromUs'>, nowUs: number): number {
  return Math.min(1, pace * 2 ** (Math.max(0, nowUs - climbsFromUs) / doublingUs));
}

/** Hands out slots at the present pace of a limit whose slots are `fullSpacingUs` apart at its full rate. */
export function leaseAtPace(
  remembered: RateState,
  nowUs: number,
  wanted: number,
  fullSpacingUs: number,
): { readonly answer: SlotAnswer; readonly state: RateState; readonly spacingUs: number } {
  const state = atClock(remembered, nowUs);
  const isCold = state.nextUs === 0 && state.climbsFromUs === 0;
  const used = isCold ? { ...state, pace: coldPace, climbsFromUs: nowUs } : state;
  const spacing = Math.ceil(fullSpacingUs / paceAt(used, nowUs));
  const { answer, nextUs } = leaseSlots(used.nextUs, nowUs, wanted, spacing);
  const counted = inItsSecond(used, nowUs);
  const handedOut = counted.handedOut + ('count' in answer ? answer.count : 0);
  return { answer, state: { ...counted, nextUs, spacingUs: spacing, handedOut }, spacingUs: spacing };
}

export function throttle(
  remembered: RateState,
  nowUs: number,
  { count, startedUs, reason }: ThrottleReport,
): RateState {
  const state = atClock(remembered, nowUs);
  if (startedUs < state.judgedFromUs) return state;
  const counted = inItsSecond(state, nowUs);
  const throttled = counted.throttled + count;
  const lowered = { ...counted, climbsFromUs: nowUs + holdUs, changedUs: nowUs, reason };
  const pace = paceAt(state, nowUs);
  if (throttled > halvedAbovePart * Math.max(counted.handedOut, counted.handedOutBefore)) {
    return {
      ...lowered,
      pace: Math.max(paceMin, pace * keptPart(state, throttled, startedUs)),
      judgedFromUs: nowUs + secondUs,
      secondUs: nowUs,
      handedOut: 0,
      throttled: 0,
    };
  }
  const factor = counted.throttled === 0 ? strayFactor : 1;
  return { ...lowered, pace: Math.max(paceMin, pace * factor), throttled };
}

/** Of the calls since the pace was lowered last, the part that was not turned away; half of it at the most. */
function keptPart({ judgedFromUs, spacingUs }: RateState, throttled: number, startedUs: number): number {
  const sinceUs = startedUs - judgedFromUs;
  if (spacingUs === 0 || sinceUs >= secondUs) return 1 / 2;
  const started = sinceUs / spacingUs + 1;
  return Math.max(keptMin, Math.min(1 / 2, 1 - throttled / started));
}

/** Slots that will not be used, the last `count` that ended at `nextUs`. Only if nobody has taken one after them. */
export function giveBack(state: RateState, nowUs: number, count: number, nextUs: number, spacingUs: number): RateState {
  if (state.nextUs !== nextUs) return state;
  return { ...state, nextUs: Math.max(nowUs, nextUs - count * spacingUs) };
}

function inItsSecond(state: RateState, nowUs: number): RateState {
  const passedUs = nowUs - state.secondUs;
  if (passedUs >= 0 && passedUs < secondUs) return state;
  const handedOutBefore = passedUs < 2 * secondUs ? state.handedOut : 0;
  return { ...state, secondUs: nowUs, handedOut: 0, handedOutBefore, throttled: 0 };
}

/** How exactly calls meet their slots. */
export interface Precision {
  readonly aim: number;
  /** A call starts at most this long after its slot's time. */
  readonly latenessMaxMs: number;
}

/** One slot, one call: what `slots.ts` aims at, 95 % of the limit. */
export const precise: Precision = { aim, latenessMaxMs };

/** For a limit beside the cluster's own: a call needs a slot of both, so these wait for the other one. 80 % of the limit. */
export const patient: Precision = { aim: 0.8, latenessMaxMs: 240 };

/** Distance of two slots at the full rate. */
export function fullSpacingUs(ratePerS: number, precision: Precision): number {
  return spacingUs(ratePerS, precision.aim);
}
