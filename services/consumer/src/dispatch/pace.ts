/**
 * How much of the rate is asked for: 1 is all of it. The provider may say 429 although the rate is kept: somebody else
 * uses the account, its limit is lower than we were told, or calls were held up on their way and arrived together.
 *
 * Every second with a 429 lowers it, by as much as the provider turned away and 2 % at least; every second of calls
 * without one raises it by 1 %. What a limit of one lane turns away says nothing about the rate.
 */
export class Pace {
  #pace = 1;
  #calls = 0;
  #throttled = 0;
  #secondEndsAtMs = Number.NEGATIVE_INFINITY;

  /** More than 0, at most 1. */
  get current(): number {
    return this.#pace;
  }

  callEnded(isThrottled: boolean, nowMs: number): void {
    if (nowMs >= this.#secondEndsAtMs) {
      this.#judge();
      this.#secondEndsAtMs = nowMs + secondMs;
    }
    this.#calls++;
    if (isThrottled) this.#throttled++;
  }

  #judge(): void {
    if (this.#throttled > 0) {
      const share = this.#throttled / this.#calls;
      this.#pace = Math.max(paceMin, this.#pace * (1 - Math.min(lowerMax, Math.max(lowerMin, share))));
    } else if (this.#calls > 0) {
      this.#pace = Math.min(1, this.#pace + raise);
    }
    this.#calls = 0;
    this.#throttled = 0;
  }
}

const secondMs = 1_000;
const lowerMin = 0.02;
const lowerMax = 0.5;
const raise = 0.01;
const paceMin = 0.02;
