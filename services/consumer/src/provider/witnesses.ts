import { laneName } from '../../../../shared/event/lane.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';

/** Beyond this, the lane that has failed for longest counts again. */
const failingMax = 10_000;

/**
 * Whose failures say something about the provider. A lane's first one does. From then on, as long as another lane was accepted since
 * that call began, the lane's failures are its own trouble, until one of its calls is accepted; else a few broken
 * customers would stop everybody else.
 */
export class Witnesses {
  #acceptedAtMs = Number.NEGATIVE_INFINITY;
  /** Lanes whose latest call failed, and when the first of those calls began. */
  readonly #failing = new Map<string, number>();

  accepted(entry: Entry, nowMs: number): void {
    this.#acceptedAtMs = nowMs;
    this.#failing.delete(laneName(entry));
  }

  /** Whether this failure is to be counted. While the breaker is not closed each one is: its probe has to succeed. */
  failureCounts(entry: Entry, startedAtMs: number, isKnownToFail: boolean, isClosed: boolean): boolean {
    if (isKnownToFail && isClosed) return false;
    const lane = laneName(entry);
    const sinceMs = this.#failing.get(lane);
    if (sinceMs !== undefined) return this.#acceptedAtMs <= sinceMs || !isClosed;
    const [oldest] = this.#failing.keys();
    if (this.#failing.size >= failingMax && oldest !== undefined) this.#failing.delete(oldest);
    this.#failing.set(lane, startedAtMs);
    return true;
  }
}
