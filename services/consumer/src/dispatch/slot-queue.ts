/** A moment at which one call may start, on the monotonic clock. */
export interface Slot {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Slots of the cluster's rate that this consumer holds, in order. A slot that is too late is gone: it is never used. */
export class SlotQueue {
  #slots: Slot[] = [];
  #missed = 0;

  get size(): number {
    return this.#slots.length;
  }

  add(slot: Slot): void {
    this.#slots.push(slot);
  }

  firstAtMs(): number | undefined {
    return this.#slots[0]?.fromMs;
  }

  /** When the first slot is gone. */
  lateAtMs(): number | undefined {
    return this.#slots[0]?.untilMs;
  }

  /** Whether a call may start now in the first slot. Drops those that are too late. */
  isDue(nowMs: number): boolean {
    for (let slot = this.#slots[0]; slot !== undefined; slot = this.#slots[0]) {
      if (nowMs <= slot.untilMs) return nowMs >= slot.fromMs;
      this.#slots.shift();
      this.#missed++;
    }
    return false;
  }

  /** Takes the first slot away: a call starts in it. */
  use(): void {
    this.#slots.shift();
  }

  /** Gives all of them up. Returns how many of them are still to come. */
  clear(nowMs: number): number {
    const toCome = this.#slots.filter(({ fromMs }) => fromMs > nowMs).length;
    this.#missed += this.#slots.length - toCome;
    this.#slots = [];
    return toCome;
  }

  /** How many were lost since this was last asked. */
  takeMissed(): number {
    const missed = this.#missed;
    this.#missed = 0;
    return missed;
  }
}
