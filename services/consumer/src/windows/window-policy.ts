/**
 * How long event-time windows are: as configured, unless there are more keys than the provider takes calls for. Then they are
 * coarsened, each step at least twice as long, up to the maximum, and made finer again when there is room.
 *
 *   demand above 80 % of the budget for a while ──▶ coarser        demand of the finer window below 60 % ──▶ finer
 *
 * The demand of a finer window is not known; it is taken to be as many times as high as the windows are more, which it is
 * at most. So windows become finer a little late, and never to and fro. Every window of the ladder holds whole ones of
 * the one below it and none crosses the maximum: usage never leaves the window of the maximum that it belongs to.
 */
export interface WindowLimits {
  readonly windowMs: number;
  readonly windowMaxMs: number;
}

export interface Pressure {
  /** Calls per second that usage takes with the present windows. */
  readonly demandPerS: number;
  /** Calls per second that may be made. */
  readonly budgetPerS: number;
}

const coarserAbove = 0.8;
const finerBelow = 0.6;
/** A 429 or two make the budget small for some seconds. */
const holdMaxMs = 30_000;

/** Windows from the configured to the coarsest; only the configured ones, if the maximum is not made of whole ones. */
export function ladderOf({ windowMs, windowMaxMs }: WindowLimits): number[] {
  const ladder = [windowMs];
  for (let last = windowMs, times = 2; last * times <= windowMaxMs; times++) {
    if (windowMaxMs % (last * times) !== 0) continue;
    last *= times;
    ladder.push(last);
    times = 1;
  }
  return ladder;
}

export class WindowPolicy {
  readonly #ladder: readonly number[];
  #step = 0;
  #changedAtMs = Number.NEGATIVE_INFINITY;
  #highSinceMs: number | undefined;

  constructor(limits: WindowLimits) {
    this.#ladder = ladderOf(limits);
  }

  get windowMs(): number {
    return this.#ladder[this.#step] ?? 0;
  }

  get isCoarsest(): boolean {
    return this.#step === this.#ladder.length - 1;
  }

  /** The new length, when it changes. */
  look({ demandPerS, budgetPerS }: Pressure, nowMs: number): number | undefined {
    const ratio = demandPerS / budgetPerS;
    if (ratio > coarserAbove && !this.isCoarsest) {
      this.#highSinceMs ??= nowMs;
      const holdMs = Math.min(holdMaxMs, this.windowMs / 10);
      return nowMs - this.#highSinceMs >= holdMs ? this.#change(this.#step + 1, nowMs) : undefined;
    }
    this.#highSinceMs = undefined;
    const finerMs = this.#ladder[this.#step - 1];
    // Not before a whole window was measured.
    if (finerMs === undefined || nowMs - this.#changedAtMs < this.windowMs) return undefined;
    return ratio * (this.windowMs / finerMs) < finerBelow ? this.#change(this.#step - 1, nowMs) : undefined;
  }

  #change(step: number, nowMs: number): number {
    this.#step = step;
    this.#changedAtMs = nowMs;
    this.#highSinceMs = undefined;
    return this.windowMs;
  }
}
