/**
 * When the provider last accepted a call, as one consumer saw it over all of its shards: who waits behind a set that fails cannot be
 * its witness, but another shard's customers can.
 */
export class Served {
  #anyAtMs = Number.NEGATIVE_INFINITY;
  #platformAtMs = Number.NEGATIVE_INFINITY;

  /** `account`: undefined for the platform's own. `nowMs` is monotonic. */
  accepted(account: string | undefined, nowMs: number): void {
    this.#anyAtMs = nowMs;
    if (account === undefined) this.#platformAtMs = nowMs;
  }

  /**
   * Whether somebody was served since who tells that a lane of this account fails by itself: one of the platform's own, if it is the
   * platform's (''). For a connected account each other one is a witness: it may have no other lane.
   */
  since(account: string, sinceMs: number): boolean {
    return account === '' ? this.#platformAtMs > sinceMs : this.sinceAny(sinceMs);
  }

  sinceAny(sinceMs: number): boolean {
    return this.#anyAtMs > sinceMs;
  }
}
