import { laneName } from '../../../../shared/event/lane.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Served } from './served.ts';

/**
 * Lanes whose latest call failed, or found the lane locked, and whether that is the lane's own trouble. It is, when another lane
 * was accepted since: then the provider is well. Without such a witness it may be an outage.
 *
 *   well ──failed──▶ in trouble ──answered (accepted or refused)──▶ well
 */
export interface Trouble {
  readonly account: string;
  /** Start of its first failing call, monotonic. */
  readonly sinceMs: number;
  /** Of the latest call. */
  reason: string;
  /** The latest call found the lane locked: so answers a provider that is well. */
  isLocked: boolean;
}

export class TroubledLanes {
  readonly #lanes = new Map<string, Trouble>();
  /** A lane's own acceptance ends its trouble, so whoever was served since is another lane. */
  readonly #served: Served;

  constructor(served: Served) {
    this.#served = served;
  }

  get size(): number {
    return this.#lanes.size;
  }

  has(lane: string): boolean {
    return this.#lanes.has(lane);
  }

  get(lane: string): Trouble | undefined {
    return this.#lanes.get(lane);
  }

  entries(): Iterable<[lane: string, trouble: Trouble]> {
    return this.#lanes;
  }

  failed(entry: Entry, reason: string, isLocked: boolean, startedAtMs: number): Trouble {
    const lane = laneName(entry);
    let trouble = this.#lanes.get(lane);
    if (trouble === undefined) {
      trouble = { account: entry.account ?? '', sinceMs: startedAtMs, reason, isLocked };
      this.#lanes.set(lane, trouble);
    }
    trouble.reason = reason;
    trouble.isLocked = isLocked;
    return trouble;
  }

  accepted(entry: Entry, nowMs: number): void {
    this.#served.accepted(entry.account, nowMs);
    this.answered(entry);
  }

  answered(entry: Entry): void {
    this.#lanes.delete(laneName(entry));
  }

  /** Another lane was served while this one was in trouble. */
  isItsOwn({ account, sinceMs }: Trouble): boolean {
    return this.#served.since(account, sinceMs);
  }

  /** Whatever its account. */
  isAnybodyServedSince(sinceMs: number): boolean {
    return this.#served.sinceAny(sinceMs);
  }

  /** Forgets lanes that have nothing left. */
  forget(isLeft: (lane: string) => boolean): void {
    for (const lane of this.#lanes.keys()) if (!isLeft(lane)) this.#lanes.delete(lane);
  }
}
