import { laneName } from '../../../../shared/event/lane.ts';
import type { DeferredEnding, Entry, ParkedEntry, SettledAs } from '../../../../shared/journal/journal.ts';
import type { ClosedAccounts } from './closed-accounts.ts';
import type { DriveLimits } from './drive-limits.ts';
import { recordOf, type Item } from './item.ts';

/**
 * The entries of a shard that the journal keeps beside the pending set: when each is tried again, what ended of them, and how
 * many more there is room for.
 *
 *   in a set ──expect──▶ expected ──addFromSet──▶ waiting ──takeDue──▶ out, in its lane ──end──▶ ended ──endWritten──▶ gone
 *                                                    ▲────────add (failed again)─────────┘
 *
 * It guarantees that an entry takes room from when it is expected, before the journal has it, until the journal knows of its end;
 * and that of each lane one entry is out at a time. A lane that fails is tried with one of its entries, another one each time,
 * and all of them wait for its next turn; once one of them has ended the next one follows at once. So what a set has
 * for the lane stands behind one such call at most.
 */

interface Waiting {
  readonly item: Item;
  /** Of its own, beside that of its lane. */
  readonly dueAtMs: number;
}

interface DeferredLane {
  readonly waiting: Waiting[];
  /** Entries that take room. */
  size: number;
  /** Failures in a row since this owner took the shard. */
  failures: number;
  dueAtMs: number;
  out: Item | undefined;
  /** Identifiers of its entries that were called, and failed. */
  readonly failing: Set<string>;
}

export interface DeferredEnd {
  readonly entry: Entry;
  readonly outcome: DeferredEnding;
}

export class DeferredEntries {
  readonly #limits: DriveLimits;
  readonly #random: () => number;
  readonly #accounts: ClosedAccounts;
  #ended: DeferredEnd[] = [];
  readonly #lanes = new Map<string, DeferredLane>();
  /** Entries that have left their set, which the journal does not know yet. */
  #expected = 0;
  /** Entries that the journal holds. */
  #held = 0;
  #nextDueMs = Number.POSITIVE_INFINITY;
  /** Lanes whose turn may have come before that. */
  #woken = new Set<DeferredLane>();
  readonly #needList = new Set<string>();

  constructor(limits: DriveLimits, random: () => number, accounts: ClosedAccounts) {
    this.#limits = limits;
    this.#random = random;
    this.#accounts = accounts;
  }

  get size(): number {
    return this.#held;
  }

  /** As `Drive.unresolvedSinceMs`, of those that wait. */
  get unresolvedSinceMs(): number {
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const { waiting } of this.#lanes.values())
      for (const { item } of waiting) oldestMs = Math.min(oldestMs, item.unresolvedSinceMs ?? oldestMs);
    return oldestMs;
  }

  /** Places that are free for entries of lanes that fail. */
  get free(): number {
    return Math.max(0, this.#limits.deferredMax - this.#counted);
  }

  /**
   * Whether another entry of this lane may be deferred. A lane never has more places than are free then, so that many entries of
   * one lane leave as many places to the others: one such lane gets half of them, two a third each.
   */
  hasRoomFor(lane: string): boolean {
    return this.#sizeOf(lane) < this.free;
  }

  /** It is this lane that takes the room, and not the number of lanes that fail. */
  isFlood(lane: string): boolean {
    return this.#sizeOf(lane) >= this.#limits.floodMin;
  }

  /** Room for entries of an account that is closed, or whose meters cannot be read. */
  get roomForClosed(): number {
    return Math.max(0, this.#limits.closedMax - this.#held - this.#expected);
  }

  /** How many replays may be taken from the journal now. */
  get roomForReplays(): number {
    return Math.max(0, this.#limits.replaysMax - this.#counted);
  }

  /** Those of closed accounts left out, and those of the platform's own that wait for a newer list of meters: they do not fail. */
  get #counted(): number {
    return this.#held + this.#expected - this.#needList.size - this.#accounts.deferredOfThem;
  }

  /** An entry of the set is to be one of them. */
  expect({ entry }: Item): void {
    this.#expected++;
    this.#laneOf(laneName(entry)).size++;
  }

  /** The journal has it as deferred: it is scheduled from now on. */
  addFromSet(item: Item, parked: ParkedEntry | undefined, nowMs: number): void {
    const kept = { ...item, index: undefined, failures: 0, isBusy: false, isGone: false, parked };
    this.#expected--;
    if (item.needsList && item.entry.account === undefined) this.#needList.add(item.entry.identifier);
    this.#hold(kept);
    this.#schedule(kept, nowMs);
  }

  /** Schedules an entry that a journal holds as deferred which this owner has just loaded. */
  load(item: Item, nowMs: number): void {
    this.#laneOf(laneName(item.entry)).size++;
    this.#hold(item);
    this.#schedule(item, nowMs);
  }

  /** It was tried, and has to be tried again. */
  again(item: Item, nowMs: number): void {
    const lane = this.#laneOf(laneName(item.entry));
    if (lane.out === item) lane.out = undefined;
    if (!item.needsList) this.#needList.delete(item.entry.identifier);
    if (!item.isEarly) this.#backOff(lane, nowMs);
    this.#schedule(item, nowMs);
    this.#woken.add(lane);
  }

  /** A replay that the journal holds as deferred: its turn comes at once, unless its lane fails. */
  addReplay(item: Item, nowMs: number): void {
    const lane = this.#laneOf(laneName(item.entry));
    lane.size++;
    this.#hold(item);
    this.#wait(lane, { item, dueAtMs: nowMs });
  }

  /** Of each lane whose turn has come, the entry that has waited for longest. */
  takeDue(nowMs: number): Item[] {
    const isAnyDue = nowMs >= this.#nextDueMs;
    const lanes = isAnyDue ? this.#lanes.values() : this.#woken;
    if (isAnyDue) this.#nextDueMs = Number.POSITIVE_INFINITY;
    this.#woken = new Set();
    const due: Item[] = [];
    for (const lane of lanes) {
      if (lane.out !== undefined) continue;
      const index = lane.dueAtMs <= nowMs ? lane.waiting.findIndex(({ dueAtMs }) => dueAtMs <= nowMs) : -1;
      const [next] = index < 0 ? [] : lane.waiting.splice(index, 1);
      if (next !== undefined) {
        lane.out = next.item;
        due.push(next.item);
      } else {
        for (const waiting of lane.waiting) this.#isDueAt(lane, waiting);
      }
    }
    return due;
  }

  /** The lane of this item fails already. */
  isInLaneOf({ entry }: Item): boolean {
    return this.isFailing(laneName(entry));
  }

  isFailing(lane: string): boolean {
    return (this.#lanes.get(lane)?.failing.size ?? 0) > 0;
  }

  end(item: Item, as: SettledAs, reason: string, redisMs: number): void {
    const { entry } = item;
    const lane = this.#laneOf(laneName(entry));
    lane.failing.delete(entry.identifier);
    if (lane.out === item) lane.out = undefined;
    lane.failures = 0;
    lane.dueAtMs = Number.NEGATIVE_INFINITY;
    this.#woken.add(lane);
    this.#ended.push({ entry, outcome: deferredEnding(item, as, reason, redisMs) });
  }

  peekEnd(): DeferredEnd | undefined {
    return this.#ended[0];
  }

  endWritten(): void {
    const end = this.#ended.shift();
    if (end === undefined) return;
    this.#held--;
    this.#needList.delete(end.entry.identifier);
    this.#accounts.released(end.entry.account);
    const name = laneName(end.entry);
    const lane = this.#laneOf(name);
    lane.size--;
    if (lane.size === 0) this.#lanes.delete(name);
  }

  #sizeOf(lane: string): number {
    return this.#lanes.get(lane)?.size ?? 0;
  }

  #hold({ entry }: Item): void {
    this.#held++;
    this.#accounts.held(entry.account);
  }

  #schedule(item: Item, nowMs: number): void {
    item.sinceMs = Math.min(item.sinceMs, nowMs);
    const lane = this.#laneOf(laneName(item.entry));
    if (item.isEarly) {
      this.#wait(lane, { item, dueAtMs: item.readyAtMs });
      return;
    }
    if (lane.failures === 0) this.#backOff(lane, nowMs);
    if (item.attempts > 0) lane.failing.add(item.entry.identifier);
    this.#wait(lane, { item, dueAtMs: Number.NEGATIVE_INFINITY });
  }

  #wait(lane: DeferredLane, waiting: Waiting): void {
    lane.waiting.push(waiting);
    this.#isDueAt(lane, waiting);
  }

  #backOff(lane: DeferredLane, nowMs: number): void {
    const { baseMs, maxMs } = this.#limits.deferredRetry;
    lane.dueAtMs = nowMs + Math.min(maxMs, baseMs * 2 ** lane.failures) * (0.5 + this.#random() / 2);
    lane.failures++;
  }

  #isDueAt(lane: DeferredLane, { dueAtMs }: Waiting): void {
    this.#nextDueMs = Math.min(this.#nextDueMs, Math.max(lane.dueAtMs, dueAtMs));
  }

  #laneOf(name: string): DeferredLane {
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = {
        waiting: [],
        size: 0,
        failures: 0,
        dueAtMs: Number.NEGATIVE_INFINITY,
        out: undefined,
        failing: new Set(),
      };
      this.#lanes.set(name, lane);
    }
    return lane;
  }
}

/** How an entry ended that the journal keeps outside of its set. */
function deferredEnding(item: Item, as: SettledAs, reason: string, redisMs: number): DeferredEnding {
  if (as !== 'accepted') return recordOf(item, as, reason, redisMs);
  return item.history === undefined ? 'accepted' : recordOf(item, as, reason, redisMs);
}
