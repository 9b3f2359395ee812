/**
 * Remembers keys for a fixed time, within a bound on their number.
 *
 * Entries are kept in generations of a quarter of the lifetime; a generation is dropped whole once its youngest entry
 * has expired, so nothing is ever searched for what to delete. An entry counts as forgotten exactly `lifetimeMs` after
 * it was stored. At `entriesMax` the oldest generation goes early, and `forgottenEarly` says so: from then on the
 * simulator is more forgetful than Stripe.
 */
export class Memory<V> {
  readonly #lifetimeMs: number;
  readonly #entriesMax: number;
  readonly #storedMs: (value: V) => number;
  /** Newest first. */
  #generations: Generation<V>[] = [];
  #size = 0;
  #forgottenEarly = 0;

  /** `storedMs` reads from a value when it was stored: a wrapper per entry would cost more than the entry. */
  constructor(options: { lifetimeMs: number; entriesMax: number; storedMs: (value: V) => number }) {
    this.#lifetimeMs = options.lifetimeMs;
    this.#entriesMax = options.entriesMax;
    this.#storedMs = options.storedMs;
  }

  get size(): number {
    return this.#size;
  }

  get forgottenEarly(): number {
    return this.#forgottenEarly;
  }

  get(key: string, nowMs: number): V | undefined {
    for (const { entries } of this.#generations) {
      const value = entries.get(key);
      if (value !== undefined) return nowMs - this.#storedMs(value) < this.#lifetimeMs ? value : undefined;
    }
    return undefined;
  }

  set(key: string, value: V, nowMs: number): void {
    const { entries } = this.#generationAt(nowMs);
    const before = entries.size;
    entries.set(detached(key), value);
    this.#size += entries.size - before;
  }

  #generationAt(nowMs: number): Generation<V> {
    const share = 4;
    const newest = this.#generations[0];
    if (newest !== undefined) {
      const full = newest.entries.size >= this.#entriesMax / share;
      if (!full && nowMs - newest.bornMs < this.#lifetimeMs / share) return newest;
      newest.closedMs = nowMs;
    }
    const generation: Generation<V> = { bornMs: nowMs, closedMs: nowMs, entries: new Map() };
    this.#generations.unshift(generation);
    this.#dropOld(nowMs);
    return generation;
  }

  #dropOld(nowMs: number): void {
    for (;;) {
      const oldest = this.#generations.at(-1);
      if (oldest === undefined || oldest === this.#generations[0]) return;
      const expired = nowMs - oldest.closedMs >= this.#lifetimeMs;
      const tooMany = this.#size > (this.#entriesMax * 3) / 4;
      if (!expired && !tooMany) return;
      if (!expired) this.#forgottenEarly += oldest.entries.size;
      this.#size -= oldest.entries.size;
      this.#generations.pop();
    }
  }
}

interface Generation<V> {
  readonly bornMs: number;
  closedMs: number;
  readonly entries: Map<string, V>;
}

/** A copy that shares no memory with the request's body: a slice of it would keep the whole body alive for a day. */
export function detached(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}
