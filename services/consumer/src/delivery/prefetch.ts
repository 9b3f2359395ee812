/**
 * How many unacked messages the broker may have outstanding with this shard. Held are the set in flight and the next
 * one, so it follows from how fast messages come, and how long a set grows (until it is full, or the flush interval is over)
 * and flies. It only grows: a shard that needed it once needs it again, and an unused prefetch costs nothing.
 */
export const lowestPrefetch = 4_000;
/** AMQP 0-9-1, basic.qos: a short. Zero would be unlimited. */
export const highestPrefetch = 65_535;

const headroom = 1.5;
/** Held events cost memory (their ids, 50 bytes each), whatever their messages: at most so many sets' worth of them. */
const heldSetsMax = 20;
const measureMs = 5_000;

export class PrefetchTuner {
  readonly #flushIntervalMs: number;
  readonly #flushEvents: number;
  #current: number;
  #messages = 0;
  #events = 0;
  #measuredSinceMs: number | undefined;
  #flight: { readonly set: number; readonly sinceMs: number } | undefined;
  #longestFlightMs = 0;

  constructor(flushIntervalMs: number, flushEvents: number, lowest = lowestPrefetch) {
    this.#current = lowest;
    this.#flushIntervalMs = flushIntervalMs;
    this.#flushEvents = flushEvents;
  }

  get current(): number {
    return this.#current;
  }

  delivered(events: number): void {
    this.#messages++;
    this.#events += events;
  }

  /** Told with every answer which set is in flight, to know how long flights last. */
  settle(pendingSet: number | undefined, nowMs: number): void {
    if (this.#flight?.set === pendingSet) return;
    if (this.#flight !== undefined)
      this.#longestFlightMs = Math.max(this.#longestFlightMs, nowMs - this.#flight.sinceMs);
    this.#flight = pendingSet === undefined ? undefined : { set: pendingSet, sinceMs: nowMs };
  }

  /** The new prefetch, when it has to change. */
  tune(nowMs: number): number | undefined {
    this.#measuredSinceMs ??= nowMs;
    const measuredMs = nowMs - this.#measuredSinceMs;
    if (measuredMs < measureMs) return undefined;
    const messagesPerMs = this.#messages / measuredMs;
    const eventsPerMs = this.#events / measuredMs;
    this.#messages = 0;
    this.#events = 0;
    this.#measuredSinceMs = nowMs;
    const growsMs = eventsPerMs === 0 ? 0 : Math.min(this.#flushIntervalMs, this.#flushEvents / eventsPerMs);
    // Twice the longer of the two: while one set flies the next one grows, and sealing begins at half.
    const needed = Math.ceil(2 * headroom * messagesPerMs * Math.max(growsMs, this.#longestFlightMs));
    const eventsPerMessage = messagesPerMs === 0 ? 1 : eventsPerMs / messagesPerMs;
    const bearable = Math.floor((heldSetsMax * this.#flushEvents) / eventsPerMessage);
    const prefetch = Math.min(highestPrefetch, needed, bearable);
    if (prefetch <= this.#current) return undefined;
    this.#current = prefetch;
    return prefetch;
  }
}
