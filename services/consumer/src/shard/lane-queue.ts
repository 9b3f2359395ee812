import { laneName } from '../../../../shared/event/lane.ts';
import type { CallRecord, Entry, ParkedEntry, PastLife } from '../../../../shared/journal/journal.ts';

/** An entry on its way to the provider. Times are monotonic unless they say Redis. */
export interface Item {
  readonly entry: Entry;
  /** The set it came from. */
  readonly set: number;
  /** Its place in the pending set; undefined for an entry that the journal keeps as deferred. */
  readonly index: number | undefined;
  /** Its attempt is journaled, so it may be called. */
  marked: boolean;
  /** First journaled attempt, Redis time. */
  attemptedAtMs: number | undefined;
  /** Start of the first attempt whose outcome is not known. */
  unresolvedSinceMs: number | undefined;
  /** Only of a replay: what became of it before. */
  readonly history: readonly PastLife[] | undefined;
  /** Calls of this owner; of an entry outside of its set also those before it was deferred. */
  attempts: number;
  /** The newest calls that did not end it; absent before the first. */
  calls: readonly CallRecord[] | undefined;
  retries: number;
  /** Failures that were the entry's own. */
  failures: number;
  readyAtMs: number;
}

export function newItem(entry: Entry, set: number, index: number | undefined): Item {
  return {
    entry,
    set,
    index,
    marked: false,
    attemptedAtMs: undefined,
    unresolvedSinceMs: undefined,
    history: undefined,
    attempts: 0,
    calls: undefined,
    retries: 0,
    failures: 0,
    readyAtMs: Number.NEGATIVE_INFINITY,
  };
}

/** An entry that the journal keeps outside of its set: its attempt is journaled. */
export function deferredItem({ entry, set, attempts, calls, history }: ParkedEntry, attemptedAtMs: number): Item {
  return { ...newItem(entry, set, undefined), marked: true, attemptedAtMs, attempts, calls, history };
}

interface Lane {
  readonly items: Item[];
}

/**
 * Items in line per lane (invariant 10). A lane is in exactly one place, by its first item:
 * - waiting: the item backs off until its `readyAtMs`;
 * - unmarked: its attempt has to be journaled; marking: that is being written;
 * - armed: it may be called now;
 * - busy: its call is under way.
 */
export class LaneQueue {
  readonly #lanes = new Map<string, Lane>();
  #waiting: Lane[] = [];
  #wakeAtMs = Number.POSITIVE_INFINITY;
  readonly #unmarked: Lane[] = [];
  #armed: Lane[] = [];
  #armedHead = 0;

  get armed(): number {
    return this.#armed.length - this.#armedHead;
  }

  get unmarked(): number {
    return this.#unmarked.length;
  }

  /** Start of the oldest attempt whose outcome is not known, or Infinity. Looks at every item: for a scrape, not for a call. */
  get unresolvedSinceMs(): number {
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const { items } of this.#lanes.values())
      for (const { unresolvedSinceMs = oldestMs } of items) oldestMs = Math.min(oldestMs, unresolvedSinceMs);
    return oldestMs;
  }

  add(item: Item, nowMs: number): void {
    const name = laneName(item.entry);
    const lane = this.#lanes.get(name);
    if (lane !== undefined) {
      lane.items.push(item);
      return;
    }
    const started: Lane = { items: [item] };
    this.#lanes.set(name, started);
    this.#place(started, nowMs);
  }

  /** The first item of the next armed lane; the lane is busy until `next`. */
  take(): Item | undefined {
    const lane = this.#armed[this.#armedHead];
    if (lane === undefined) return undefined;
    this.#armedHead++;
    if (this.#armedHead > 256 && this.#armedHead * 2 > this.#armed.length) {
      this.#armed = this.#armed.slice(this.#armedHead);
      this.#armedHead = 0;
    }
    return lane.items[0];
  }

  /** The item has ended, or leaves its lane for now. Items that never stood in a lane may be passed too. */
  leave(item: Item): void {
    const lane = this.#lanes.get(laneName(item.entry));
    if (lane?.items[0] === item) lane.items.shift();
  }

  /** The lane's call is over: its first item (the same one, if it has to be retried) is placed anew. */
  next(item: Item, nowMs: number): void {
    const name = laneName(item.entry);
    const lane = this.#lanes.get(name);
    if (lane === undefined) return;
    if (lane.items.length === 0) this.#lanes.delete(name);
    else this.#place(lane, nowMs);
  }

  wake(nowMs: number): void {
    if (nowMs < this.#wakeAtMs) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    for (const lane of waiting) this.#place(lane, nowMs);
  }

  /** Items whose attempt has to be journaled before they can be called; `marked` gives them back. */
  takeUnmarked(max: number): Item[] {
    return this.#unmarked.splice(0, max).flatMap((lane) => lane.items.slice(0, 1));
  }

  marked(items: readonly Item[], attemptedAtMs: number, nowMs: number): void {
    for (const item of items) {
      item.marked = true;
      item.attemptedAtMs ??= attemptedAtMs;
      this.next(item, nowMs);
    }
  }

  #place(lane: Lane, nowMs: number): void {
    const item = lane.items[0];
    if (item === undefined) return;
    if (item.readyAtMs > nowMs) {
      this.#waiting.push(lane);
      this.#wakeAtMs = Math.min(this.#wakeAtMs, item.readyAtMs);
    } else if (item.marked) {
      this.#armed.push(lane);
    } else {
      this.#unmarked.push(lane);
    }
  }
}
