import { KeySketch } from './key-sketch.ts';

/**
 * How many calls per second one shard's usage takes at the least: one per key and event-time window, however large its flush
 * sets grow (the capacity formula: K keys per window of W seconds are K / W calls per second), and one per event of a count meter.
 *
 * Measured in periods as long as a window, because that is how long a key may take to show up; the period that is under way
 * already tells when it is more than the one before.
 */
export class Demand {
  readonly #sketch = new KeySketch();
  #windowMs: number;
  #startedAtMs: number | undefined;
  #single = 0;
  #before = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** A key has usage in a window, perhaps not for the first time. */
  key(key: string, nowMs: number): void {
    this.#roll(nowMs);
    this.#sketch.add(key);
  }

  /** An event that is a call of its own. */
  single(nowMs: number): void {
    this.#roll(nowMs);
    this.#single++;
  }

  perS(nowMs: number): number {
    this.#roll(nowMs);
    return Math.max(this.#before, this.#current());
  }

  /** Windows have another length now: what was measured says nothing about them. */
  restart(windowMs: number, nowMs: number): void {
    this.#windowMs = windowMs;
    this.#before = 0;
    this.#begin(nowMs);
  }

  #current(): number {
    return (this.#sketch.estimate() + this.#single) / (this.#windowMs / 1_000);
  }

  #roll(nowMs: number): void {
    if (this.#startedAtMs === undefined) {
      this.#startedAtMs = nowMs;
      return;
    }
    const passedMs = nowMs - this.#startedAtMs;
    if (passedMs < this.#windowMs) return;
    this.#before = passedMs < 2 * this.#windowMs ? this.#current() : 0;
    this.#begin(nowMs);
  }

  #begin(nowMs: number): void {
    this.#startedAtMs = nowMs;
    this.#sketch.clear();
    this.#single = 0;
  }
}
