export interface RetryPolicy {
  /** Ceiling of the first delay; it doubles with every attempt. */
  readonly baseMs: number;
  /** No delay is longer than this. */
  readonly maxMs: number;
}

/**
 * How long to wait before the next attempt, in whole milliseconds: anywhere between 1 and a ceiling that doubles with
 * every attempt up to `maxMs` ("full jitter": those who failed together do not come back together).
 *
 * `attempt` is how many have failed so far, 1 or more; `random` is a number from 0 up to, but not including, 1.
 */
export function delayMs(policy: RetryPolicy, attempt: number, random: number): number {
  const doublings = Math.min(Math.max(attempt, 1) - 1, 52);
  const ceilingMs = Math.min(policy.maxMs, policy.baseMs * 2 ** doublings);
  return 1 + Math.floor(random * ceilingMs);
}
