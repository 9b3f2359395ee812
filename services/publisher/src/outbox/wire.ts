import { slotCount } from '../../../../shared/event/lane.ts';

/** One number for slot and sequence: a Map finds it faster than a string. */
export function keyOf(slot: number, sequence: number): number {
  return sequence * slotCount + slot;
}

/**
 * What was published on the current connection and is not answered, whether or not anybody still waits for it. The broker is
 * slow from the moment at which the oldest has waited for `slowMs` until it has answered everything that old.
 */
export class Wire {
  readonly #slowMs: number;
  /** When each was sent, in that order. */
  readonly #sentMs = new Map<number, number>();
  #isSlow = false;
  #checkAtMs = Infinity;

  constructor(slowMs: number) {
    this.#slowMs = slowMs;
  }

  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** When it may become slow. */
  get checkAtMs(): number {
    return this.#checkAtMs;
  }

  sent(key: number, nowMs: number): void {
    this.#sentMs.delete(key);
    this.#sentMs.set(key, nowMs);
    if (this.#checkAtMs === Infinity && !this.#isSlow) this.#checkAtMs = nowMs + this.#slowMs;
  }

  answered(key: number, nowMs: number): void {
    this.#sentMs.delete(key);
    if (!this.#isSlow || this.#slowAtMs() <= nowMs) return;
    this.#isSlow = false;
    this.#checkAtMs = this.#slowAtMs();
  }

  /** True if it became slow by that. */
  check(nowMs: number): boolean {
    if (nowMs < this.#checkAtMs) return false;
    this.#isSlow = this.#slowAtMs() <= nowMs;
    this.#checkAtMs = this.#isSlow ? Infinity : this.#slowAtMs();
    return this.#isSlow;
  }

  clear(): void {
    this.#sentMs.clear();
    this.#isSlow = false;
    this.#checkAtMs = Infinity;
  }

  #slowAtMs(): number {
    for (const oldestMs of this.#sentMs.values()) return oldestMs + this.#slowMs;
    return Infinity;
  }
}
