import { Records } from './records.ts';

/**
 * Remembers texts by key for a fixed time, within a bound on their number.
 *
 * Entries are kept in generations of a quarter of the lifetime; a generation is dropped whole once its youngest entry
 * has expired, so nothing is ever searched for what to delete. An entry counts as forgotten exactly `lifetimeMs` after
 * it was stored. At `entriesMax` the oldest generation goes early, and `forgottenEarly` says so: from then on the
 * simulator is more forgetful than Stripe.
 */
export class Memory {
  readonly #lifetimeMs: number;
  readonly #entriesMax: number;
  /** Newest first. */
  #generations: Generation[] = [];
  #forgottenEarly = 0;

  constructor(options: { lifetimeMs: number; entriesMax: number }) {
    this.#lifetimeMs = options.lifetimeMs;
    this.#entriesMax = options.entriesMax;
  }

  get size(): number {
    return this.#generations.reduce((sum, { records }) => sum + records.size, 0);
  }

  get forgottenEarly(): number {
    return this.#forgottenEarly;
  }

  get(key: string, nowMs: number): string | undefined {
    for (const { records } of this.#generations) {
      const record = records.get(key);
      if (record !== undefined) return nowMs - record.storedMs < this.#lifetimeMs ? record.value : undefined;
    }
    return undefined;
  }

  /** Of a key that is there already the newest counts; both take room. */
  set(key: string, value: string, nowMs: number): void {
    this.#generationAt(nowMs).records.add(key, value, nowMs);
  }

  #generationAt(nowMs: number): Generation {
    const share = 4;
    const newest = this.#generations[0];
    if (newest !== undefined) {
      const full = newest.records.isFull || newest.records.size >= this.#entriesMax / share;
      if (!full && nowMs - newest.bornMs < this.#lifetimeMs / share) return newest;
      newest.closedMs = nowMs;
    }
    const generation: Generation = { bornMs: nowMs, closedMs: nowMs, records: new Records() };
    this.#generations.unshift(generation);
    this.#dropOld(nowMs);
    return generation;
  }

  #dropOld(nowMs: number): void {
    for (;;) {
      const oldest = this.#generations.at(-1);
      if (oldest === undefined || oldest === this.#generations[0]) return;
      const expired = nowMs - oldest.closedMs >= this.#lifetimeMs;
      const tooMany = this.size > (this.#entriesMax * 3) / 4;
      if (!expired && !tooMany) return;
      if (!expired) this.#forgottenEarly += oldest.records.size;
      this.#generations.pop();
    }
  }
}

interface Generation {
  readonly bornMs: number;
  closedMs: number;
  readonly records: Records;
}

/** A copy that shares no memory with the request's body: a slice of it would keep the whole body alive for a day. */
export function detached(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}
