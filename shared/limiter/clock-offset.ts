/**
 * How far another clock is ahead of ours, as an interval that certainly holds it. An exchange says: while we sent and
 * received, between `sentAtMs` and `receivedAtMs`, the other clock showed `remoteMs`. Exchanges narrow the interval; time
 * widens it again, since clocks drift apart.
 */
export interface ClockOffset {
  /** Other clock minus ours: not less than this … */
  readonly lowMs: number;
  /** … and not more than this, as of `atMs` on our clock. */
  readonly highMs: number;
  readonly atMs: number;
}

export interface ClockExchange {
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly remoteMs: number;
}

/** Two clocks that are disciplined at up to 500 ppm each, in opposite directions. */
const driftPerMs = 0.001;

export function offsetAfter(
  known: ClockOffset | undefined,
  { sentAtMs, receivedAtMs, remoteMs }: ClockExchange,
): ClockOffset {
  const fresh = { lowMs: remoteMs - receivedAtMs, highMs: remoteMs - sentAtMs, atMs: receivedAtMs };
  if (known === undefined) return fresh;
  const driftMs = (receivedAtMs - known.atMs) * driftPerMs;
  const lowMs = Math.max(fresh.lowMs, known.lowMs - driftMs);
  const highMs = Math.min(fresh.highMs, known.highMs + driftMs);
  // They contradict each other: one of the clocks was set. Only what was seen after that counts.
  return lowMs > highMs ? fresh : { lowMs, highMs, atMs: receivedAtMs };
}
