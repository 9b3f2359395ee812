/** Redis' clock as far as the last answer tells: never ahead of it, so that clamping to it is safe (invariant 4). */
export class RedisClock {
  #redisMs = 0;
  #observedAtMs = 0;

  /** `redisMs` came with an answer that arrived at `nowMs`, monotonic. */
  observe(redisMs: number, nowMs: number): void {
    this.#redisMs = redisMs;
    this.#observedAtMs = nowMs;
  }

  at(nowMs: number): number {
    return this.#redisMs + Math.max(0, Math.floor(nowMs - this.#observedAtMs));
  }
}
