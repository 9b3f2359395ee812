import { laneName } from '../../../../shared/event/lane.ts';
import type { DeferredEnding, ParkedEntry, SettledAs } from '../../../../shared/journal/journal.ts';
import { AccountCounts, type ClosedAccounts } from './closed-accounts.ts';
import type { DriveLimits } from './drive-limits.ts';
import { recordOf, type Item } from './item.ts';

/**
 * The entries of a shard that the journal keeps beside the pending set: when each is tried again, what ended of them, and how
 * many more there is room for.
 *
 *   in a set ──expect──▶ expected ──addFromSet──▶ waiting ──takeDue──▶ in its lane ──end──▶ ended ──endWritten──▶ gone
 *                                                    ▲────────add (failed again)─────┘
 *
 * It guarantees that an entry takes room from when it is expected, before the journal has it, until the journal knows of its end.
 */

interface DeferredItem {
  readonly item: Item;
  readonly retries: number;
  readonly dueAtMs: number;
}

export interface DeferredEnd {
  readonly identifier: string;
  readonly account: string | undefined;
  readonly outcome: DeferredEnding;
}

export class DeferredEntries {
  readonly #limits: DriveLimits;
  readonly #random: () => number;
  readonly #accounts: ClosedAccounts;
  /** Entries that have left their set, which the journal does not know yet. */
  #expected = 0;
  #ended: DeferredEnd[] = [];
  #due: DeferredItem[] = [];
  /** Identifiers of deferred entries and how often each was retried since this owner took the shard. */
  readonly #retries = new Map<string, number>();
  readonly #ofAccount = new AccountCounts();
  /** Identifiers of the deferred entries of each lane. */
  readonly #inLane = new Map<string, Set<string>>();

  constructor(limits: DriveLimits, random: () => number, accounts: ClosedAccounts) {
    this.#limits = limits;
    this.#random = random;
    this.#accounts = accounts;
  }

  get size(): number {
    return this.#retries.size;
  }

  /** As `Drive.unresolvedSinceMs`, of those that wait. */
  get unresolvedSinceMs(): number {
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const { item } of this.#due) oldestMs = Math.min(oldestMs, item.unresolvedSinceMs ?? oldestMs);
    return oldestMs;
  }

  get hasRoom(): boolean {
    return this.#counted < this.#limits.deferredMax;
  }

  /** Room for entries of an account that is closed, or whose meters cannot be read. */
  get roomForClosed(): number {
    return Math.max(0, this.#limits.closedMax - this.#retries.size - this.#expected);
  }

  /** How many replays may be taken from the journal now. */
  get roomForReplays(): number {
    return Math.max(0, this.#limits.replaysMax - this.#counted);
  }

  /** Those of closed accounts left out. */
  get #counted(): number {
    let closed = 0;
    for (const account of this.#accounts.closed) closed += this.#ofAccount.get(account);
    return this.#retries.size + this.#expected - closed;
  }

  /** An entry of the set is to be one of them. */
  expect(): void {
    this.#expected++;
  }

  /** The journal has it as deferred: it is scheduled from now on. */
  addFromSet(item: Item, parked: ParkedEntry | undefined, nowMs: number): void {
    this.#expected--;
    const kept = { ...item, index: undefined, failures: 0, isBusy: false, isGone: false, parked };
    this.add(kept, nowMs);
  }

  /** Schedules an entry that the journal holds as deferred. */
  add(item: Item, nowMs: number): void {
    item.sinceMs = Math.min(item.sinceMs, nowMs);
    const identifier = item.entry.identifier;
    const known = this.#retries.get(identifier);
    if (known === undefined) this.#ofAccount.add(item.entry.account);
    const retries = known ?? 0;
    this.#retries.set(identifier, retries + 1);
    this.#knownToFail(item, true);
    const { baseMs, maxMs } = this.#limits.deferredRetry;
    this.#due.push({
      item,
      retries,
      dueAtMs: nowMs + Math.min(maxMs, baseMs * 2 ** retries) * (0.5 + this.#random() / 2),
    });
  }

  /** A replay that the journal holds as deferred: its turn comes at once, so it does not wait here. */
  addReplay(item: Item): void {
    this.#ofAccount.add(item.entry.account);
    this.#retries.set(item.entry.identifier, 0);
  }

  takeDue(nowMs: number): Item[] {
    if (this.#due.every(({ dueAtMs }) => dueAtMs > nowMs)) return [];
    const due = this.#due.filter(({ dueAtMs }) => dueAtMs <= nowMs);
    this.#due = this.#due.filter(({ dueAtMs }) => dueAtMs > nowMs);
    return due.map(({ item }) => item);
  }

  /** The lane of this item fails already. */
  isInLaneOf({ entry }: Item): boolean {
    return this.#inLane.has(laneName(entry));
  }

  end(item: Item, as: SettledAs, reason: string, redisMs: number): void {
    this.#knownToFail(item, false);
    this.#ended.push({
      identifier: item.entry.identifier,
      account: item.entry.account,
      outcome: deferredEnding(item, as, reason, redisMs),
    });
  }

  peekEnd(): DeferredEnd | undefined {
    return this.#ended[0];
  }

  endWritten(): void {
    const end = this.#ended.shift();
    if (end === undefined) return;
    this.#retries.delete(end.identifier);
    this.#ofAccount.remove(end.account);
  }

  #knownToFail({ entry }: Item, isKnown: boolean): void {
    const lane = laneName(entry);
    const deferred = this.#inLane.get(lane) ?? new Set();
    if (isKnown) this.#inLane.set(lane, deferred.add(entry.identifier));
    else if (deferred.delete(entry.identifier) && deferred.size === 0) this.#inLane.delete(lane);
  }
}

/** How an entry ended that the journal keeps outside of its set. */
function deferredEnding(item: Item, as: SettledAs, reason: string, redisMs: number): DeferredEnding {
  if (as !== 'accepted') return recordOf(item, as, reason, redisMs);
  return item.history === undefined ? 'accepted' : recordOf(item, as, reason, redisMs);
}
