/**
 * Counts what happened in the last `spanMs`. Exact: every moment is kept until it leaves the window, in a ring that
 * grows with the highest count there ever was. A clock that steps back is read as standing still.
 */
export class SlidingWindow {
  readonly #spanMs: number;
  #moments = new Float64Array(64);
  #first = 0;
  #count = 0;
  #latestMs = Number.NEGATIVE_INFINITY;

  constructor(spanMs: number) {
    this.#spanMs = spanMs;
  }

  /** How many moments lie in the last `spanMs`, the one exactly that long ago not included. */
  count(nowMs: number): number {
    this.#latestMs = Math.max(this.#latestMs, nowMs);
    const oldest = this.#latestMs - this.#spanMs;
    while (this.#count > 0 && (this.#moments[this.#first] ?? 0) <= oldest) {
      this.#first = (this.#first + 1) % this.#moments.length;
      this.#count -= 1;
    }
    return this.#count;
  }

  /** Adds this moment and answers the count with it. */
  add(nowMs: number): number {
    this.count(nowMs);
    if (this.#count === this.#moments.length) this.#grow();
    this.#moments[(this.#first + this.#count) % this.#moments.length] = this.#latestMs;
    this.#count += 1;
    return this.#count;
  }

  #grow(): void {
    const grown = new Float64Array(this.#moments.length * 2);
    for (let index = 0; index < this.#count; index++) {
      grown[index] = this.#moments[(this.#first + index) % this.#moments.length] ?? 0;
    }
    this.#moments = grown;
    this.#first = 0;
  }
}
